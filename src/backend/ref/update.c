/* The two passes over the parameter arenas.
 *
 *  1. g /= loss_scale;  norm = |g|_2 over the trained parameters;  finite = no infinity or NaN among them. With
 *     16-mixed a scaled gradient beyond the fp16 range becomes infinite.
 *  2. Unless finite is false: g *= min(1, clip / (norm + 1e-6)), then a step of the optimizer. wd is the weight decay,
 * 0 for a range that does not decay; t counts the steps from 1.
 *
 *     SGD      g += wd p;  buf = g in the first step, else mu buf + (1 - dampening) g;
 *              p -= lr (nesterov ? g + mu buf : buf)
 *     AdamW    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr wd p;
 *              p -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
 *     RMSprop  g += wd p;  v = alpha v + (1 - alpha) g^2;  buf = mu buf + g / (sqrt(v) + eps);  p -= lr buf
 *     LAMB     m and v as AdamW;  u = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + wd p;  p -= lr r u,
 *              with r = |p| / |u|
 *     LARS     SGD with r (g + wd p) in the place of g + wd p, with r = trust |p| / (|g| + wd |p| + eps)
 *
 *     The norms of LAMB and LARS are of one parameter. r is 1 if wd or one of the norms is 0.
 *
 * Equals torch.nn.utils.clip_grad_norm_, torch.optim.SGD (which keeps no buffer when mu is 0), AdamW and RMSprop, and
 * timm.optim.Lamb (without its own clipping) and Lars. */
#include "backend/ref/ref.h"
#include "base/half.h"

#include <assert.h>
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

/** One range: the addresses of its first elements. */
typedef struct range_step {
    double *p, *m, *v;
    const double *g;
    size_t n;
    double lr, decay, clip;
    double bias1, bias2; /* 1 - b1^t, 1 - b2^t */
} range_step;

static double norm(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/** `ratio`: 1, or the trust ratio of LARS. */
static void sgd(const range_step *s, const engine_hyper *h, double ratio) {
    double *p = s->p, *buf = s->m;
    for (size_t i = 0; i < s->n; i++) {
        double g = ratio * (s->g[i] * s->clip + s->decay * p[i]), step = g;
        if (h->momentum != 0) {
            buf[i] = h->first_step ? g : h->momentum * buf[i] + (1 - h->dampening) * g;
            step = h->nesterov ? g + h->momentum * buf[i] : buf[i];
        }
        p[i] -= s->lr * step;
    }
}

static void lars(const range_step *s, const engine_hyper *h) {
    double p = norm(s->p, s->n), g = s->clip * norm(s->g, s->n);
    bool adapts = s->decay != 0 && p > 0 && g > 0;
    sgd(s, h, adapts ? h->trust * p / (g + s->decay * p + h->eps) : 1);
}

/** Updates the running averages. */
static void moments(const range_step *s, const engine_hyper *h) {
    for (size_t i = 0; i < s->n; i++) {
        double g = s->g[i] * s->clip;
        s->m[i] = h->beta1 * s->m[i] + (1 - h->beta1) * g;
        s->v[i] = h->beta2 * s->v[i] + (1 - h->beta2) * g * g;
    }
}

/** Adam's direction at element i, from the running averages. */
static double adam(const range_step *s, const engine_hyper *h, size_t i) {
    return s->m[i] / s->bias1 / (sqrt(s->v[i] / s->bias2) + h->eps);
}

static void adamw(const range_step *s, const engine_hyper *h) {
    moments(s, h);
    for (size_t i = 0; i < s->n; i++)
        s->p[i] = s->p[i] * (1 - s->lr * s->decay) - s->lr * adam(s, h, i);
}

static void lamb(const range_step *s, const engine_hyper *h) {
    double p = norm(s->p, s->n), sum = 0;
    moments(s, h);
    for (size_t i = 0; i < s->n; i++) {
        double u = adam(s, h, i) + s->decay * s->p[i];
        sum += u * u;
    }
    double ratio = s->decay != 0 && p > 0 && sum > 0 ? p / sqrt(sum) : 1;
    for (size_t i = 0; i < s->n; i++)
        s->p[i] -= s->lr * ratio * (adam(s, h, i) + s->decay * s->p[i]);
}

static void rmsprop(const range_step *s, const engine_hyper *h) {
    for (size_t i = 0; i < s->n; i++) {
        double g = s->g[i] * s->clip + s->decay * s->p[i];
        s->v[i] = h->alpha * s->v[i] + (1 - h->alpha) * g * g;
        s->m[i] = h->momentum * s->m[i] + g / (sqrt(s->v[i]) + h->eps);
        s->p[i] -= s->lr * s->m[i];
    }
}

int ref_update(void *device, const device_arenas *a) {
    const ref_device *d = device;
    const engine_hyper *h = &d->hyper;
    double clip = 1, t = (double)h->updates + 1;
    assert(a->square != NULL || !optimizer_squares(d->options.optimizer));
    if (!d->result.finite)
        return 0;
    if (h->clip_norm > 0)
        clip = fmin(1, h->clip_norm / (d->result.grad_norm + 1e-6));
    for (int r = 0; r < a->range_n; r++) {
        const update_range *range = &a->range[r];
        size_t first = range->begin;
        range_step s = {.p = (double *)a->weight + first,
                        .m = (double *)a->momentum + first,
                        .v = a->square != NULL ? (double *)a->square + first : NULL,
                        .g = (const double *)a->gradient + first,
                        .n = range->end - first,
                        .lr = range->head && h->head_lr > 0 ? h->head_lr : h->lr,
                        .decay = range->decays ? h->weight_decay : 0,
                        .clip = clip,
                        .bias1 = 1 - pow(h->beta1, t),
                        .bias2 = 1 - pow(h->beta2, t)};
        switch (d->options.optimizer) {
        case OPTIMIZER_SGD: sgd(&s, h, 1); break;
        case OPTIMIZER_ADAMW: adamw(&s, h); break;
        case OPTIMIZER_RMSPROP: rmsprop(&s, h); break;
        case OPTIMIZER_LAMB: lamb(&s, h); break;
        case OPTIMIZER_LARS: lars(&s, h); break;
        }
    }
    return 0;
}
