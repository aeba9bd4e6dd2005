/* The two passes over the parameter arenas.
 *
 *  1. g /= loss_scale;  norm = |g|_2 over the trained parameters;  finite = no infinity or NaN among them. With
 *     16-mixed a scaled gradient beyond the fp16 range becomes infinite.
 *  2. Unless finite is false: g *= min(1, clip / (norm + 1e-6));  g += wd * p if the range decays;
 *     buf = g in the first step, else mu * buf + (1 - dampening) * g;  p -= lr * (nesterov ? g + mu * buf : buf).
 *
 * Equals torch.nn.utils.clip_grad_norm_ and torch.optim.SGD, which keeps no buffer when mu is 0. */
#include "backend/ref/ref.h"
#include "base/half.h"

#include <math.h>

int ref_unscale(void *device, const device_arenas *a) {
    ref_device *d = device;
    double *g = a->gradient, sum = 0, most = d->options.precision == PRECISION_16 ? F16_MAX : INFINITY;
    bool finite = true;
    for (size_t i = a->frozen; i < a->n; i++) {
        if (fabs(g[i]) > most)
            g[i] = copysign(INFINITY, g[i]);
        g[i] /= d->hyper.loss_scale;
        sum += g[i] * g[i];
        finite = finite && isfinite(g[i]);
    }
    d->result.grad_norm = sqrt(sum);
    d->result.finite = finite;
    return 0;
}

int ref_update(void *device, const device_arenas *a) {
    const ref_device *d = device;
    const engine_hyper *h = &d->hyper;
    double *p = a->weight, *buf = a->momentum;
    const double *gradient = a->gradient;
    double clip = 1;
    if (!d->result.finite)
        return 0;
    if (h->clip_norm > 0)
        clip = fmin(1, h->clip_norm / (d->result.grad_norm + 1e-6));
    for (int r = 0; r < a->range_n; r++) {
        double decay = a->range[r].decays ? h->weight_decay : 0;
        double lr = a->range[r].head && h->head_lr > 0 ? h->head_lr : h->lr;
        for (size_t i = a->range[r].begin; i < a->range[r].end; i++) {
            double g = gradient[i] * clip + decay * p[i], step = g;
            if (h->momentum != 0) {
                buf[i] = h->first_step ? g : h->momentum * buf[i] + (1 - h->dampening) * g;
                step = h->nesterov ? g + h->momentum * buf[i] : buf[i];
            }
            p[i] -= lr * step;
        }
    }
    return 0;
}
