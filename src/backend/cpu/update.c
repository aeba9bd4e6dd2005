/* The two passes over the parameter arenas.
 *
 *  1. g /= loss_scale;  norm = |g|_2 over the trained parameters;  finite = no infinity or NaN among them.
 *  2. Unless finite is false: clips to min(1, clip / (norm + 1e-6)), then a step of the optimizer (kernels.h, with the
 *     trust ratios of backend/ref/update.c).
 *
 * Squares are summed per chunk of fixed size and the chunks are added in order, so the norms do not depend on the
 * number of threads. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "base/status.h"

#include <math.h>

enum { CHUNK = 1 << 15 }; /* elements */

typedef struct unscale_call {
    const cpu_device *device;
    const device_arenas *arenas;
    float factor;
    double *sum;
} unscale_call;

static void unscale_task(void *context, size_t begin, size_t end) {
    const unscale_call *t = context;
    for (size_t i = begin; i < end; i++) {
        size_t first = t->arenas->frozen + i * CHUNK, left = t->arenas->n - first, n = left < CHUNK ? left : CHUNK;
        float *g = (float *)t->arenas->gradient + first;
        if (t->factor != 1)
            t->device->kernels->scale(g, t->factor, n);
        t->sum[i] = t->device->kernels->squares(g, n);
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
    unscale_call t = {.device = d, .arenas = a, .factor = (float)(1 / d->hyper.loss_scale), .sum = d->chunk_sum};
    parallel_for(d->threads, chunk_n, 1, LOOP_FORWARD, unscale_task, &t);
    double sum = 0;
    for (size_t i = 0; i < chunk_n; i++)
        sum += d->chunk_sum[i];
    d->result.grad_norm = sqrt(sum);
    d->result.finite = isfinite(sum); /* sums of squares of floats cannot overflow a double */
done:
    return rc;
}

/** The pieces of the update ranges. A range is a whole number of chunks, so that the threads' boundaries do not matter.
 */
static int make_chunks(cpu_device *d, const device_arenas *a) {
    size_t n = 0;
    int rc = OK;
    for (int r = 0; r < a->range_n; r++)
        n += (a->range[r].end - a->range[r].begin + CHUNK - 1) / CHUNK;
    TRY(memory_resize(&d->update_sums, 2 * n, sizeof *d->update_sums));
    TRY(memory_resize(&d->trust, (size_t)a->range_n, sizeof *d->trust));
    TRY(memory_zeroed(&d->update, n, sizeof *d->update));
    for (int r = 0; r < a->range_n; r++)
        for (size_t at = a->range[r].begin; at < a->range[r].end; at += CHUNK) {
            size_t end = at + CHUNK < a->range[r].end ? at + CHUNK : a->range[r].end;
            d->update[d->update_n++] = (update_chunk){at, end, r};
        }
done:
    return rc;
}

/** One update. */
typedef struct update_call {
    const cpu_device *device;
    const device_arenas *arenas;
    double clip, bias1, bias2; /* 1 - beta^t */
} update_call;

/** The rates of a range. */
typedef struct rates {
    double lr, decay;
} rates;

static rates rates_of(const update_call *t, int range) {
    const engine_hyper *h = &t->device->hyper;
    const update_range *r = &t->arenas->range[range];
    return (rates){.lr = r->head && h->head_lr > 0 ? h->head_lr : h->lr, .decay = r->decays ? h->weight_decay : 0};
}

/** `ratio`: 1, or the trust ratio of LARS. */
static sgd sgd_of(const update_call *t, rates r, double ratio) {
    const engine_hyper *h = &t->device->hyper;
    return (sgd){.clip = (float)(ratio * t->clip),
                 .decay = (float)(ratio * r.decay),
                 .momentum = (float)h->momentum,
                 .one_minus_dampening = (float)(1 - h->dampening),
                 .lr = (float)r.lr,
                 .nesterov = h->nesterov,
                 .first = h->first_step};
}

static adam adam_of(const update_call *t, rates r) {
    const engine_hyper *h = &t->device->hyper;
    bool lamb = t->device->options.optimizer == OPTIMIZER_LAMB;
    return (adam){.clip = (float)t->clip,
                  .beta1 = (float)h->beta1,
                  .rest1 = (float)(1 - h->beta1),
                  .beta2 = (float)h->beta2,
                  .rest2 = (float)(1 - h->beta2),
                  .eps = (float)h->eps,
                  .rate = (float)((lamb ? 1 : r.lr) / t->bias1),
                  .root = (float)(1 / sqrt(t->bias2)),
                  .keep = (float)(1 - r.lr * r.decay),
                  .decay = (float)r.decay,
                  .lr = (float)r.lr};
}

static rmsprop rmsprop_of(const update_call *t, rates r) {
    const engine_hyper *h = &t->device->hyper;
    return (rmsprop){.clip = (float)t->clip,
                     .decay = (float)r.decay,
                     .alpha = (float)h->alpha,
                     .rest = (float)(1 - h->alpha),
                     .momentum = (float)h->momentum,
                     .eps = (float)h->eps,
                     .lr = (float)r.lr};
}

/** Sums of squares for the trust ratios. LAMB: of w and of the update; also updates m and v. LARS: of w and g. */
static void sums_task(void *context, size_t begin, size_t end) {
    const update_call *t = context;
    const cpu_device *d = t->device;
    const device_arenas *a = t->arenas;
    for (size_t i = begin; i < end; i++) {
        const update_chunk *c = &d->update[i];
        size_t n = c->end - c->begin;
        const float *w = (const float *)a->weight + c->begin, *g = (const float *)a->gradient + c->begin;
        double *sums = &d->update_sums[2 * i];
        if (d->options.optimizer == OPTIMIZER_LAMB) {
            adam s = adam_of(t, rates_of(t, c->range));
            d->kernels->lamb_moments(sums, w, g, (float *)a->momentum + c->begin, (float *)a->square + c->begin, &s, n);
        } else {
            sums[0] = d->kernels->squares(w, n);
            sums[1] = d->kernels->squares(g, n);
        }
    }
}

/** Adds the sums of each range's chunks in order. */
static void trust_ratios(const update_call *t) {
    const cpu_device *d = t->device;
    const engine_hyper *h = &d->hyper;
    bool lamb = d->options.optimizer == OPTIMIZER_LAMB;
    size_t i = 0;
    for (int r = 0; r < t->arenas->range_n; r++) {
        double w = 0, other = 0, decay = rates_of(t, r).decay;
        for (; i < d->update_n && d->update[i].range == r; i++) {
            w += d->update_sums[2 * i];
            other += d->update_sums[2 * i + 1];
        }
        w = sqrt(w);
        other = lamb ? sqrt(other) : t->clip * sqrt(other);
        bool adapts = decay != 0 && w > 0 && other > 0;
        d->trust[r] = !adapts ? 1 : lamb ? w / other : h->trust * w / (other + decay * w + h->eps);
    }
}

static void update_task(void *context, size_t begin, size_t end) {
    const update_call *t = context;
    const cpu_device *d = t->device;
    const kernels *k = d->kernels;
    for (size_t i = begin; i < end; i++) {
        const update_chunk *c = &d->update[i];
        size_t n = c->end - c->begin;
        rates r = rates_of(t, c->range);
        float *w = (float *)t->arenas->weight + c->begin, *m = (float *)t->arenas->momentum + c->begin;
        float *v = t->arenas->square != NULL ? (float *)t->arenas->square + c->begin : NULL;
        const float *g = (const float *)t->arenas->gradient + c->begin;
        sgd s;
        adam a;
        rmsprop p;
        switch (d->options.optimizer) {
        case OPTIMIZER_SGD:
        case OPTIMIZER_LARS:
            s = sgd_of(t, r, d->options.optimizer == OPTIMIZER_LARS ? d->trust[c->range] : 1);
            k->update(w, g, m, &s, n);
            break;
        case OPTIMIZER_ADAMW:
            a = adam_of(t, r);
            k->adamw(w, g, m, v, &a, n);
            break;
        case OPTIMIZER_RMSPROP:
            p = rmsprop_of(t, r);
            k->rmsprop(w, g, m, v, &p, n);
            break;
        case OPTIMIZER_LAMB:
            a = adam_of(t, r);
            a.lr = (float)(r.lr * d->trust[c->range]);
            k->lamb(w, m, v, &a, n);
            break;
        }
    }
}

int cpu_update(void *device, const device_arenas *a) {
    cpu_device *d = device;
    const engine_hyper *h = &d->hyper;
    double step = (double)h->updates + 1;
    int rc = OK;
    if (!d->result.finite)
        return OK;
    if (d->update == NULL)
        TRY(make_chunks(d, a));
    update_call t = {.device = d,
                     .arenas = a,
                     .clip = h->clip_norm > 0 ? fmin(1, h->clip_norm / (d->result.grad_norm + 1e-6)) : 1,
                     .bias1 = 1 - pow(h->beta1, step),
                     .bias2 = 1 - pow(h->beta2, step)};
    if (optimizer_adapts(d->options.optimizer)) {
        parallel_for(d->threads, d->update_n, 1, LOOP_FORWARD, sums_task, &t);
        trust_ratios(&t);
    }
    parallel_for(d->threads, d->update_n, 1, LOOP_FORWARD, update_task, &t);
done:
    return rc;
}
