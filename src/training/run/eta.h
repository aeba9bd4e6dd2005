/** How fast the epoch in progress goes, and how long it will take. */
#ifndef LINNET_TRAINING_RUN_ETA_H
#define LINNET_TRAINING_RUN_ETA_H

#include "training/run/start.h"

/** Clocks of the epoch in progress, this process alone. */
typedef struct epoch_clock {
    double start, waited; /* at its start */
    long long images;     /* trained on since */
    int64_t batches;
    double warm_at;       /* when the first steps were done; 0: not yet */
    int64_t warm_batches; /* batches done then */
    pace pace;            /* of the ranks, so far */
} epoch_clock;

double epoch_images_per_second(const epoch_clock *k);
/** 0..1: share of the epoch's time spent waiting for data. */
double epoch_wait_share(const train_run_state *r, const epoch_clock *k);

/** Tells once, after some steps, how long an epoch takes. */
void eta_tell(train_run_state *r, epoch_clock *k);

#endif
