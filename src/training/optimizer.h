/** The optimizer of a run: its options, and its state from a checkpoint. */
#ifndef LINNET_TRAINING_OPTIMIZER_H
#define LINNET_TRAINING_OPTIMIZER_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"
#include "engine/engine.h"
#include "training/run_context.h"
#include "training/state.h"

/** The hyper-parameters that are the same in every step; the learning rates and the fields that count are 0. */
engine_hyper optimizer_hyper(const config *c);

/** The options and the count of updates for a checkpoint. */
ckpt_optimizer optimizer_options(const config *c, const train_state *t);

/** Restores the optimizer's state and its count. A checkpoint without such state leaves it empty.
 *  @return 0; E_OPTION (the state is another optimizer's); E_FORMAT (of other parameters), E_NOMEM, E_DEVICE */
int optimizer_restore(run_context *s, train_state *t, const ckpt *c, const char *path);

#endif
