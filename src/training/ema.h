/** The running average of weights and statistics (EMA) that is validated and saved as the model: torchvision's
 *  ExponentialMovingAverage, renewed when its reference script renews it.
 *    decay' = 1 - min(1, (1 - trainer.ema) * B * trainer.ema_steps / trainer.max_epochs), B: images of a step, all
 * ranks after steps 0, ema_steps, 2 ema_steps, ... of an epoch; the first time, and while the LR warms up, it is a
 * copy. */
#ifndef LINNET_TRAINING_EMA_H
#define LINNET_TRAINING_EMA_H

#include "training/setup.h"
#include "training/state.h"

static inline bool average_on(const setup *s) { return s->config->trainer.ema > 0; }

double average_decay(const config *c, int step_images);

/** After step `step` of epoch t->epoch. Nothing without trainer.ema; so for all below. @return 0, E_DEVICE */
int average_step(setup *s, train_state *t, int64_t step);

/** The weights as they are become the average: where a run begins. */
int average_restart(setup *s);

/** The engine then computes with the average, and the weights that train wait; again: as before. */
int average_swap(setup *s);

#endif
