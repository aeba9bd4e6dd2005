/** CPU affinity: divides the cores of a host among the ranks that run on it. */
#ifndef LINNET_DISTRIBUTED_AFFINITY_H
#define LINNET_DISTRIBUTED_AFFINITY_H

#include "distributed/communicator.h"

#include <stdint.h>

enum { CORES_MAX = 1024 }; /* the size of cpu_set_t */

/** A set of logical CPUs, by their Linux numbers. */
typedef struct core_set {
    uint64_t bits[CORES_MAX / 64];
} core_set;

int core_set_count(const core_set *s);

/** The data that each rank sends to all others. */
typedef struct rank_affinity {
    char host[64];      /* equal for ranks under one kernel */
    core_set allowed;   /* the affinity with which the rank was started */
    core_set gpu_local; /* the cores near its GPU; empty: no GPU, or not known */
    double quota;       /* CPUs by the cgroups' quota, shared by all ranks with the same quota_group; 0: none */
    uint64_t quota_group;
} rank_affinity;

/** The cores of `rank`. By default these are all cores that it may use. If its host runs several ranks, all of them may
 *  use the same cores, and the cores near the rank's GPU are known, these are divided among the ranks near the same
 *  cores. The hyperthreads of a core remain together as long as there are enough cores.
 *  @param root prefix of /sys, which lists the hyperthreads; "" except in tests */
void cores_of(core_set *out, const rank_affinity *claims, int ranks, int rank, const char *root);

/** Number of cores for `rank`, at least 1: a core counts as 1/n if n ranks of the host may use it, and a CPU quota is
 * divided by the ranks that share it. sets (ranks): results of cores_of; needed for the ranks of this host. */
int affinity_cores_per_rank(const core_set *sets, const rank_affinity *claims, int ranks, int rank);

/** The number of cores that this process may use: by its affinity, or fewer by the CPU quota of its cgroups (of a
 * container with --cpus, of a Kubernetes limit), rounded down; at least 1. */
int affinity_cores(void);

/** Binds all threads of this process to the cores of cores_of, if these are fewer than the process may use. Every rank
 *  calls it, before it starts threads that must stay on these cores.
 *  @param[out] own the result of affinity_cores_per_rank
 *  @param gpu PCI address of the rank's GPU in the form of /sys ("0000:3b:00.0"); "": none
 *  @param root as for cores_of
 *  @return 0, E_NOMEM, or the error of the exchange. If the system refuses to bind, a warning is logged */
int affinity_bind(int *own, comm *c, const char *gpu, const char *root);

#endif
