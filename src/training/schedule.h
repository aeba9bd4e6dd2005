/** The learning rate of every step: StepLR, MultiStepLR, ReduceLROnPlateau, cosine or constant, after a linear warm-up.
 *  The epoch schedule counts from the end of the warm-up, as torchvision's SequentialLR does. The warm-up changes the
 * LR at every step: lr * (start + (1 - start) * step / warmup_steps). */
#ifndef LINNET_TRAINING_SCHEDULE_H
#define LINNET_TRAINING_SCHEDULE_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct schedule {
    ckpt_schedule state; /* saved in checkpoints; last_lr is the LR without warm-up */
    int warmup_epochs;
    double warmup_start;
    double head_scale; /* constant ratio of the classifier's LR to the LR; 0: the same LR */
} schedule;

/** base_lr is the LR after warm-up. @return 0, E_OPTION (unknown name) */
int schedule_init(schedule *s, const config *c, double base_lr);

/** Sets the ratio of the classifier's LR to the LR to head_lr / base_lr; head_lr 0: the same LR. */
void schedule_set_head(schedule *s, double head_lr);

/** LR of step `step` (from 0) of epoch `epoch`, which has steps_per_epoch steps. */
double schedule_lr(const schedule *s, int64_t epoch, int64_t step, int64_t steps_per_epoch);

/** Ends an epoch: plateau takes its val_loss into account (NaN counts as worse), the others move to epoch + 1. Epochs
 * of the warm-up do not count. @return true if the LR of the epoch schedule changed */
bool schedule_end_epoch(schedule *s, int64_t epoch, double val_loss);

/** Why the epoch schedule has just changed the LR, as text for the log. */
const char *schedule_reason(char out[128], const schedule *s);

#endif
