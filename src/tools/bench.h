/** Training throughput without a disk: steps on made-up batches. */
#ifndef LINNET_TOOLS_BENCH_H
#define LINNET_TOOLS_BENCH_H

#include "config/config.h"
#include "distributed/communicator.h"
#include "distributed/pace.h"
#include "tools/profile.h"

typedef struct bench_result {
    double images_per_second;     /* ranks * batch / median step */
    double step_min, step_median; /* seconds */
    double seconds;               /* of all timed steps */
    double loss;                  /* of the last step */
    int steps, warmup, batch;     /* a rank's */
    int ranks;
    pace pace;            /* of the ranks, in the timed steps */
    engine_memory memory; /* planned; process with the bench's own batches */
    size_t peak_bytes;    /* VmHWM after the steps: what the process has really had; 0: not known */
    char engine[128], precision[16], arch[32];
} bench_result;

/** `steps` timed steps after `warmup` others, 1,000 classes, SGD as configured.
 *  @param[out] detail of the timed steps, profile_deinit is due in either case; NULL: no profile
 *  @param all ranks that each have a batch of their own and exchange gradients, and all call; NULL: one
 *  @return 0, E_RANK or the engine's error */
int bench_train(bench_result *out, profile *detail, const config *c, comm *all, int steps, int warmup);

#endif
