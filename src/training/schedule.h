/** The learning rate of every step: StepLR, ReduceLROnPlateau, cosine or constant, after a linear warm-up.
 *  The epoch schedule counts from the end of the warm-up, as torchvision's SequentialLR does; warm-up itself goes by
 * the step: lr * (start + (1 - start) * step / warmup_steps). */
#ifndef LINNET_TRAINING_SCHEDULE_H
#define LINNET_TRAINING_SCHEDULE_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct schedule {
    ckpt_schedule state; /* what a checkpoint keeps; last_lr is the LR before warm-up */
    int warmup_epochs;
    double warmup_start;
    double head_scale; /* the classifier's rate over the LR, at any time; 0: the same */
} schedule;

/** base_lr is the LR after warm-up. @return 0, E_OPTION (unknown name) */
int schedule_init(schedule *s, const config *c, double base_lr);

/** Ties the classifier's rate to the LR: head_lr where the LR is base_lr; 0: the same rate. */
void schedule_set_head(schedule *s, double head_lr);

/** LR of the step that begins at `step` (0-based) of `steps_per_epoch`-step epoch `epoch`. */
double schedule_lr(const schedule *s, int64_t epoch, int64_t step, int64_t steps_per_epoch);

/** Ends an epoch: the plateau sees its val_loss (NaN is bad), the others move to epoch + 1. Epochs of the warm-up do
 * not count.
 *  @return true when the epoch schedule's LR changed */
bool schedule_end_epoch(schedule *s, int64_t epoch, double val_loss);

/** Why the epoch schedule has just changed the LR, for people. */
const char *schedule_reason(char out[128], const schedule *s);

#endif
