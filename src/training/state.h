/** The state of a run: checkpoints contain all of it, and a resume needs nothing else. */
#ifndef LINNET_TRAINING_STATE_H
#define LINNET_TRAINING_STATE_H

#include "checkpoint/top_k.h"
#include "evaluation/metrics.h"
#include "training/early_stopping.h"
#include "training/grad_scaler.h"
#include "training/schedule.h"

#include <stdbool.h>
#include <stdint.h>

/** A step whose result has not been read yet. */
typedef struct pending_step {
    bool on;
    int64_t step; /* global_step before it */
    double lr;
    uint64_t samples; /* hash of this rank's images (samples.h) */
} pending_step;

typedef struct train_state {
    int64_t epoch;          /* in progress, from 0 */
    int64_t batch_in_epoch; /* batches done in it */
    bool epoch_done;        /* validation, schedule and checkpoint of the epoch are done too */
    int64_t global_step;    /* optimizer steps done */
    bool momentum;          /* the optimizer has state: false before the first finite step */
    int64_t updates;        /* finite steps: the optimizer's own count; with SGD and LARS since the process began */
    bool in_step;           /* a step has begun but is not finished, or has failed: the state must not be saved */
    pending_step pending;   /* not saved: call train_settle first */
    int64_t batches_seen;   /* training forward passes: batch norm's num_batches_tracked */
    int64_t ema_updates;    /* updates of the EMA (ema.h) since it was a copy */
    double seconds_before;  /* time that the run has used before this process resumed it */
    metrics train;          /* of the epoch so far */
    metrics val;            /* of the last validation in this epoch */
    int64_t val_step;       /* global_step at the last validation */
    schedule schedule;
    scaler scaler;
    early_stopping early_stopping;
    top_k best;
} train_state;

/** The state at the start of a run. @param scaling 16-mixed. @return 0, E_OPTION, E_NOMEM; train_state_deinit must be
 *  called in either case */
int train_state_init(train_state *t, const config *c, double base_lr, bool scaling);
void train_state_deinit(train_state *t);

/** The value of val_loss, val_acc or train_loss at this point of the run; NaN: it has none here. Validation metrics
 *  have one right after a validation, train_loss at the end of an epoch. */
double train_state_score(const train_state *t, const char *monitor);

#endif
