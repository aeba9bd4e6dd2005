/** Dynamic loss scaling for 16-mixed: the state machine of torch.amp.GradScaler.
 *  A step whose unscaled gradient is not finite is skipped and halves the scale; 2000 finite steps in a row double it.
 */
#ifndef LINNET_TRAINING_GRAD_SCALER_H
#define LINNET_TRAINING_GRAD_SCALER_H

#include "checkpoint/checkpoint.h"

#include <stdbool.h>

typedef struct scaler {
    bool on; /* 16-mixed; else the scale is 1 and a gradient that is not finite is an error */
    ckpt_grad_scaler state;
    int64_t skipped; /* number of skipped steps */
} scaler;

/** init_scale 65536, growth 2, backoff 0.5, interval 2000. */
scaler grad_scaler_init(bool on);
double grad_scaler_scale(const scaler *s);
/** To be called after each step. The scale may become less than 1. */
void grad_scaler_update(scaler *s, bool finite);

#endif
