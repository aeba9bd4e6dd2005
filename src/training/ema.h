/** The exponential moving average (EMA) of weights and statistics, which is validated and saved as the model. It is
 *  updated after steps 0, ema_steps, 2 ema_steps, ... of an epoch. The first update copies the weights.
 *
 *  With trainer.ema_adjust it is torchvision's ExponentialMovingAverage, updated as in its reference script: the decay
 * is 1 - min(1, (1 - trainer.ema) * B * trainer.ema_steps / trainer.max_epochs), where B is the number of images per
 * step over all ranks, and during warm-up the EMA is a copy of the weights. Else the decay is trainer.ema, as with
 * torch's AveragedModel(multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True), which Lightning's
 * EMAWeightAveraging uses. */
#ifndef LINNET_TRAINING_EMA_H
#define LINNET_TRAINING_EMA_H

#include "training/run_context.h"
#include "training/state.h"

static inline bool ema_on(const run_context *s) { return s->config->trainer.ema > 0; }

/** step_images: B. */
double ema_decay(const config *c, int step_images);

/** Called after step `step` of epoch t->epoch. Without trainer.ema this and the functions below do nothing.
 *  @return 0, E_DEVICE */
int ema_step(run_context *s, train_state *t, int64_t step);

/** Sets the EMA to the current weights, at the start of a run. */
int ema_restart(run_context *s);

/** Swaps the current weights and the EMA in the engine; a second call restores them. */
int ema_swap(run_context *s);

#endif
