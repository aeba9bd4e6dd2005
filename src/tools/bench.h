/** Throughput of training and evaluation without data loading: steps on synthetic batches. */
#ifndef LINNET_TOOLS_BENCH_H
#define LINNET_TOOLS_BENCH_H

#include "config/config.h"
#include "distributed/communicator.h"
#include "distributed/rank_timing.h"
#include "tools/profile.h"

typedef struct bench_result {
    double images_per_second;     /* ranks * batch / median step */
    double step_min, step_median; /* seconds */
    double seconds;               /* of all timed steps */
    double loss;                  /* of the last step */
    int steps, warmup, batch;     /* of each rank */
    int ranks;
    rank_timing timing;   /* of the ranks, in the timed steps */
    engine_memory memory; /* planned; `process` includes the batches of the benchmark */
    size_t peak_bytes;    /* VmHWM after the steps: the actual peak of the process; 0: unknown */
    char engine[128], precision[16], arch[32];
} bench_result;

/** Times `steps` steps after `warmup` untimed ones, with 1,000 classes, and with the optimizer and the loss of the
 *  configuration; class weights are all 1. A step of evaluation (`training` false) is forward and loss, as in `linnet
 *  eval`.
 *  @param[out] detail profile of the timed steps; profile_deinit must be called in either case; NULL: no profile
 *  @param all the ranks, all of which call; each has its own batch, and they exchange gradients; NULL: one rank
 *  @return 0, E_RANK or the engine's error */
int bench_steps(bench_result *out, profile *detail, const config *c, comm *all, bool training, int steps, int warmup);

#endif
