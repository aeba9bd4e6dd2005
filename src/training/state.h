/** Where a run stands: all of it goes into a checkpoint, and a resumed run starts from nothing else. */
#ifndef LINNET_TRAINING_STATE_H
#define LINNET_TRAINING_STATE_H

#include "checkpoint/top_k.h"
#include "evaluation/metrics.h"
#include "training/grad_scaler.h"
#include "training/schedule.h"

#include <stdbool.h>
#include <stdint.h>

/** A step whose result has not been taken yet. */
typedef struct pending_step {
    bool on;
    int64_t step; /* global_step before it */
    double lr;
    uint64_t samples; /* of this rank (samples.h) */
} pending_step;

typedef struct train_state {
    int64_t epoch;          /* in progress, from 0 */
    int64_t batch_in_epoch; /* batches of it done */
    bool epoch_done;        /* validated, scheduled and saved too */
    int64_t global_step;    /* optimizer steps done */
    bool momentum;          /* the optimizer has momentum: false before the first step */
    bool in_step;           /* a step has begun and is not done, or failed: not a state to save */
    pending_step pending;   /* not saved: train_settle comes first */
    int64_t batches_seen;   /* training forward passes: batch norm's num_batches_tracked */
    int64_t averaged;       /* times that the average of the weights was renewed (ema.h) since it was a copy */
    metrics train;          /* of the epoch so far */
    metrics val;            /* of the last validation */
    schedule schedule;
    scaler scaler;
    topk best;
} train_state;

/** The beginning of a run. @param scaling 16-mixed. @return 0, E_OPTION, E_NOMEM; train_state_deinit is due either way
 */
int train_state_init(train_state *t, const config *c, double base_lr, bool scaling);
void train_state_deinit(train_state *t);

#endif
