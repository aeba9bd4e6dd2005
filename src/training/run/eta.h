/** Throughput of the current epoch and the estimated time of an epoch. */
#ifndef LINNET_TRAINING_RUN_ETA_H
#define LINNET_TRAINING_RUN_ETA_H

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

/** Logs once, after some steps, how long an epoch takes. */
void eta_tell(train_run_state *r, epoch_clock *k);

#endif
