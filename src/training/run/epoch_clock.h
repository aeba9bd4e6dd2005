/** Throughput of the current epoch and the estimated time of an epoch. */
#ifndef LINNET_TRAINING_RUN_EPOCH_CLOCK_H
#define LINNET_TRAINING_RUN_EPOCH_CLOCK_H

#include "training/run/run_open.h"

/** Times of the current epoch, of this process only. */
typedef struct epoch_clock {
    double start, waited; /* clock_seconds and loader_waited at its start */
    long long images;     /* trained on since then */
    int64_t batches;
    double warm_at;       /* clock_seconds after the first steps; 0: not yet */
    int64_t warm_batches; /* batches done by then */
    rank_timing timing;   /* of the ranks, so far */
} epoch_clock;

double epoch_images_per_second(const epoch_clock *k);
/** 0..1: fraction of the epoch's time spent waiting for data. */
double epoch_wait_share(const train_run_state *r, const epoch_clock *k);

/** Estimated time until the run ends by max_epochs, max_steps or max_time, from the speed of this epoch and the
 * duration of the last validation (0 before the first one). NaN: not known yet. Early stopping is not foreseen. */
double run_remaining_seconds(const train_run_state *r);

/** Logs once, after some steps, how long an epoch and the rest of the run take. */
void epoch_clock_log_estimate(train_run_state *r, epoch_clock *k);

#endif
