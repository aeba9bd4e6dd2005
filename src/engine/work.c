#include "engine/work.h"

#include "engine/internal.h"

static double bytes_of(const plan_tensor *t) { return (double)tensor_count(t->shape) * (double)element_bytes(t->type); }

/** Convolution, linear: y = x * w, dx = dy * w^T, dw = x^T * dy. w is read in x's type; dw has the master type. */
static engine_work product_work(const engine_plan *p, int i, engine_pass pass) {
    const engine *e = p->engine;
    const layer *l = &e->model->layer[i];
    const device_layer *d = &p->layer[i];
    const plan_tensor *x = plan_tensor_at(p, l->input), *y = plan_tensor_at(p, i);
    double window = l->kind == LAYER_CONV ? (double)l->kernel * l->kernel : 1;
    double depth = window * l->in_c / (l->groups > 0 ? l->groups : 1), weights = depth * l->out_c;
    double flop = 2 * (double)tensor_count(y->shape) * depth, dy = d->dy_n * bytes_of(y);
    switch (pass) {
    case PASS_FORWARD: return (engine_work){flop, bytes_of(x) + weights * (double)element_bytes(x->type) + bytes_of(y)};
    case PASS_BACKWARD:
        if (!d->dx_needed)
            return (engine_work){0};
        return (engine_work){flop, dy + weights * (double)element_bytes(x->type) + bytes_of(x) +
                                       (d->gradient_sums_bytes > 0 ? bytes_of(x) : 0)}; /* the preceding BN's x */
    default: return (engine_work){flop, dy + bytes_of(x) + weights * (double)element_bytes(e->ops->master)};
    }
}

/** Forward reads x for the sums, then reads x and writes y. Backward reads x and dy for the sums (and writes g if there
 *  is a residual), then reads x and dy (or g) again and writes dx. If y is recomputed, that reads x and residual and
 *  writes y. Parts that adjacent layers take over are not counted. */
static double bn_bytes(const engine_plan *p, int i, engine_pass pass) {
    const layer *l = &p->engine->model->layer[i];
    const device_layer *d = &p->layer[i];
    double x = bytes_of(plan_tensor_at(p, l->input)), saved = (double)d->saved_bytes;
    bool residual = p->engine->slots[i].residual >= 0;
    if (pass == PASS_FORWARD)
        return (d->training && !d->sums_given ? x : 0) + (d->applied_by_consumer ? 0 : x + (residual ? x : 0) + x) +
               saved;
    bool keeps_g = residual && p->run[i].args.bn.backward.dresidual != NULL;
    double again = plan_tensor_at(p, i)->recomputed ? x + (residual ? x : 0) + x : 0;
    double sums = again + (d->fused_bn_bwd ? 0 : x + d->dy_n * x + saved + (keeps_g ? x : 0));
    return sums + (d->dx_needed ? x + (keeps_g ? x : d->dy_n * x + saved) + x : 0);
}

static double pool_bytes(const engine_plan *p, int i, engine_pass pass) {
    const device_layer *d = &p->layer[i];
    double x = bytes_of(plan_tensor_at(p, d->layer->input)), y = bytes_of(plan_tensor_at(p, i));
    double saved = (double)d->saved_bytes;
    if (pass == PASS_FORWARD)
        return x + y + saved;
    return d->dx_needed ? d->dy_n * y + saved + x : 0;
}

engine_work engine_layer_work(const engine_plan *p, int i, engine_pass pass) {
    layer_kind kind = p->engine->model->layer[i].kind;
    if (pass != PASS_FORWARD && !p->layer[i].training)
        return (engine_work){0};
    if (kind == LAYER_CONV || kind == LAYER_LINEAR)
        return product_work(p, i, pass);
    if (pass == PASS_WGRAD)
        return (engine_work){0};
    return (engine_work){.bytes = kind == LAYER_BN ? bn_bytes(p, i, pass) : pool_bytes(p, i, pass)};
}

engine_work engine_phase_work(const engine_plan *p, engine_phase phase) {
    const engine *e = p->engine;
    const plan_tensor *x = plan_tensor_at(p, MODEL_INPUT), *logits = plan_tensor_at(p, e->model->layer_n - 1);
    double weights = (double)(e->model->weight_n - e->model->frozen_n) * (double)element_bytes(e->ops->master);
    switch (phase) {
    case PHASE_LOAD: return (engine_work){.bytes = (double)tensor_count(x->shape) + bytes_of(x)};
    case PHASE_LOSS: return (engine_work){.bytes = bytes_of(logits) * (p->training ? 2 : 1)};
    case PHASE_UNSCALE: return (engine_work){.bytes = weights};
    case PHASE_UPDATE: return (engine_work){.bytes = 5 * weights}; /* reads w, m and g, writes w and m */
    default: return (engine_work){0};
    }
}
