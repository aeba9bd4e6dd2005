/** The cores of a host, shared out among the ranks that run on it. */
#ifndef LINNET_DISTRIBUTED_AFFINITY_H
#define LINNET_DISTRIBUTED_AFFINITY_H

#include "distributed/communicator.h"

#include <stdint.h>

enum { CORES_MAX = 1024 }; /* as cpu_set_t */

/** Logical CPUs, by their Linux numbers. */
typedef struct core_set {
    uint64_t bits[CORES_MAX / 64];
} core_set;

int core_set_count(const core_set *s);

/** What a rank tells the others. */
typedef struct core_claim {
    char host[64]; /* the same on ranks that one kernel runs */
    core_set may;  /* the affinity that it was started with */
    core_set near; /* its GPU; empty: no GPU, or not known */
} core_claim;

/** The cores of `rank`. Those it may use; where its host runs several ranks that may all use the same, its part of
 * those near its GPU: ranks near the same cores divide them, hyperthreads with their core as long as there are cores
 * enough.
 *  @param root where /sys is looked for, which tells of hyperthreads; "" but in tests */
void cores_of(core_set *out, const core_claim *claims, int ranks, int rank, const char *root);

/** How many of its cores are a rank's own when ranks that may use the same share them evenly; 1 at least. */
int cores_own(const core_set *sets, const core_claim *claims, int ranks, int rank);

/** Cores that this process may use. */
int cores_usable(void);

/** Binds this process, all its threads, to its cores_of where those are fewer than it may use. *own: cores_own. Every
 *  rank comes here, before it starts threads that are to stay on these cores.
 *  @param gpu PCI address of the rank's GPU as /sys has it ("0000:3b:00.0"); "": none
 *  @param root as for cores_of
 *  @return 0, E_NOMEM, what the exchange failed with; cores that the system refuses are a warning */
int cores_share(int *own, comm *c, const char *gpu, const char *root);

#endif
