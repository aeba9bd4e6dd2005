/** The exponential moving average (EMA) of weights and statistics that is validated and saved as the model:
 * torchvision's ExponentialMovingAverage, updated at the same steps as in its reference script, that is after steps 0,
 * ema_steps, 2 ema_steps, ... of an epoch. decay' = 1 - min(1, (1 - trainer.ema) * B * trainer.ema_steps /
 * trainer.max_epochs) where B is the number of images per step over all ranks. At the first update, and during warm-up,
 * it is a copy. */
#ifndef LINNET_TRAINING_EMA_H
#define LINNET_TRAINING_EMA_H

#include "training/run_context.h"
#include "training/state.h"

static inline bool ema_on(const run_context *s) { return s->config->trainer.ema > 0; }

double ema_decay(const config *c, int step_images);

/** Called after step `step` of epoch t->epoch. Without trainer.ema this and the functions below do nothing.
 *  @return 0, E_DEVICE */
int ema_step(run_context *s, train_state *t, int64_t step);

/** Sets the EMA to the current weights, at the start of a run. */
int ema_restart(run_context *s);

/** Exchanges the current weights and the EMA in the engine; a second call undoes it. */
int ema_swap(run_context *s);

#endif
