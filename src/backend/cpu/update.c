/* The two passes over the parameter arenas.
 *
 *  1. g /= loss_scale;  norm = |g|_2 over the trained parameters;  finite = no infinity or NaN among them.
 *  2. Unless finite is false: g' = min(1, clip / (norm + 1e-6)) * g + wd * p if the range decays;
 *     buf = g' in the first step, else mu * buf + (1 - dampening) * g';  p -= lr * (nesterov ? g' + mu * buf : buf).
 *
 * Squares are summed per chunk of fixed size and the chunks are added in order, so the norm does not depend on the
 * number of threads. */
#include "backend/cpu/cpu.h"
#include "base/status.h"

#include <math.h>

enum { CHUNK = 1 << 15 }; /* elements */

typedef struct update_call {
    const cpu_device *device;
    const device_arenas *arenas;
    float factor;
    double *sum;
    sgd sgd;
    const update_range *range;
} update_call;

static void unscale_task(void *context, size_t begin, size_t end) {
    const update_call *t = context;
    for (size_t i = begin; i < end; i++) {
        size_t first = t->arenas->frozen + i * CHUNK, left = t->arenas->n - first, n = left < CHUNK ? left : CHUNK;
        t->sum[i] = t->device->kernels->unscale((float *)t->arenas->gradient + first, t->factor, n);
    }
}

int cpu_unscale(void *device, const device_arenas *a) {
    cpu_device *d = device;
    int rc = OK;
    size_t chunk_n = (a->n - a->frozen + CHUNK - 1) / CHUNK;
    if (chunk_n > d->chunk_n) {
        TRY(memory_resize(&d->chunk_sum, chunk_n, sizeof *d->chunk_sum));
        d->chunk_n = chunk_n;
    }
    update_call t = {.device = d, .arenas = a, .factor = (float)(1 / d->hyper.loss_scale), .sum = d->chunk_sum};
    parallel_for(d->threads, chunk_n, 1, LOOP_FORWARD, unscale_task, &t);
    double sum = 0;
    for (size_t i = 0; i < chunk_n; i++)
        sum += d->chunk_sum[i];
    d->result.grad_norm = sqrt(sum);
    d->result.finite = isfinite(sum); /* sums of squares of floats cannot overflow a double */
done:
    return rc;
}

static void update_task(void *context, size_t begin, size_t end) {
    const update_call *t = context;
    size_t first = t->range->begin + begin;
    t->device->kernels->update((float *)t->arenas->weight + first, (const float *)t->arenas->gradient + first,
                               (float *)t->arenas->momentum + first, &t->sgd, end - begin);
}

int cpu_update(void *device, const device_arenas *a) {
    const cpu_device *d = device;
    const engine_hyper *h = &d->hyper;
    double clip = 1;
    if (!d->result.finite)
        return OK;
    if (h->clip_norm > 0)
        clip = fmin(1, h->clip_norm / (d->result.grad_norm + 1e-6));
    update_call t = {.device = d, .arenas = a};
    for (int r = 0; r < a->range_n; r++) {
        t.range = &a->range[r];
        t.sgd = (sgd){.clip = (float)clip,
                      .decay = t.range->decays ? (float)h->weight_decay : 0,
                      .momentum = (float)h->momentum,
                      .one_minus_dampening = (float)(1 - h->dampening),
                      .lr = (float)(t.range->head && h->head_lr > 0 ? h->head_lr : h->lr),
                      .nesterov = h->nesterov,
                      .first = h->first_step};
        size_t n = t.range->end - t.range->begin;
        parallel_for(n < CHUNK ? 1 : d->threads, n, SIZE_MAX, LOOP_FORWARD, update_task, &t);
    }
    return OK;
}
