/** The optimizer of a run: its options, and its state from a checkpoint. */
#ifndef LINNET_TRAINING_OPTIMIZER_H
#define LINNET_TRAINING_OPTIMIZER_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"
#include "engine/engine.h"
#include "training/run_context.h"
#include "training/state.h"

/** The hyper-parameters that are the same in every step, with the loss; the learning rates and the fields that count
 * are 0. */
engine_hyper optimizer_hyper(const config *c);

/** The options and the count of updates for a checkpoint. */
ckpt_optimizer optimizer_options(const config *c, const train_state *t);

/** The weight decay of each parameter of the model, for a checkpoint; NULL: the same for all. To be freed.
 *  @return 0, E_NOMEM */
int optimizer_decay(double **out, const run_context *s);

/** Restores the optimizer's state and its count, and warns if the weight decay applied to other parameters. A
 * checkpoint without such state leaves it empty.
 *  @return 0; E_OPTION (the state is another optimizer's); E_FORMAT (of other parameters), E_NOMEM, E_DEVICE */
int optimizer_restore(run_context *s, train_state *t, const ckpt *c, const char *path);

#endif
