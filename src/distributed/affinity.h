/** CPU affinity: divides the cores of a host among the ranks that run on it. */
#ifndef LINNET_DISTRIBUTED_AFFINITY_H
#define LINNET_DISTRIBUTED_AFFINITY_H

#include "distributed/communicator.h"

#include <stdint.h>

enum { CORES_MAX = 1024 }; /* as cpu_set_t */

/** A set of logical CPUs, by their Linux numbers. */
typedef struct core_set {
    uint64_t bits[CORES_MAX / 64];
} core_set;

int core_set_count(const core_set *s);

/** What each rank sends to all others. */
typedef struct core_claim {
    char host[64]; /* equal for ranks under one kernel */
    core_set may;  /* the affinity with which the rank was started */
    core_set near; /* the cores near its GPU; empty: no GPU, or not known */
} core_claim;

/** The cores of `rank`. By default these are all cores that it may use. If its host runs several ranks, all of them may
 *  use the same cores, and the cores near the rank's GPU are known, these are divided among the ranks near the same
 *  cores. The hyperthreads of a core remain together as long as there are enough cores.
 *  @param root prefix of /sys, which lists the hyperthreads; "" except in tests */
void cores_of(core_set *out, const core_claim *claims, int ranks, int rank, const char *root);

/** The number of cores per rank if ranks divide the cores that several of them may use evenly; at least 1. */
int affinity_cores_per_rank(const core_set *sets, const core_claim *claims, int ranks, int rank);

/** The number of cores that this process may use. */
int affinity_cores(void);

/** Binds all threads of this process to the cores of cores_of, if these are fewer than the process may use. Every rank
 *  calls it, before it starts threads that must stay on these cores.
 *  @param[out] own the result of affinity_cores_per_rank
 *  @param gpu PCI address of the rank's GPU in the form of /sys ("0000:3b:00.0"); "": none
 *  @param root as for cores_of
 *  @return 0, E_NOMEM, or the error of the exchange. If the system refuses to bind, a warning is logged */
int affinity_share(int *own, comm *c, const char *gpu, const char *root);

#endif
