#include "engine/layer_call.h"

#include "engine/internal.h"

static const device_layer_ops *ops_of(const engine_plan *p) { return &p->engine->ops->layer; }
static layer_kind kind_of(const engine_plan *p, int i) { return p->engine->model->layer[i].kind; }

/** NULL for other layer kinds. */
static const device_conv_ops *conv_ops(const engine_plan *p, int i) {
    switch (kind_of(p, i)) {
    case LAYER_CONV: return &ops_of(p)->conv;
    case LAYER_LINEAR: return &ops_of(p)->linear;
    default: return NULL;
    }
}

static const device_pool_ops *pool_ops(const engine_plan *p, int i) {
    switch (kind_of(p, i)) {
    case LAYER_MAXPOOL: return &ops_of(p)->maxpool;
    case LAYER_SHORTCUT: return &ops_of(p)->shortcut;
    default: return &ops_of(p)->avgpool;
    }
}

int layer_plan(engine_plan *p, int i) {
    void *device = p->engine->device;
    device_layer *l = &p->layer[i];
    if (conv_ops(p, i) != NULL)
        return conv_ops(p, i)->plan(device, l);
    return kind_of(p, i) == LAYER_BN ? ops_of(p)->bn.plan(device, l) : pool_ops(p, i)->plan(device, l);
}

void layer_destroy(engine_plan *p, int i) {
    const device_conv_ops *ops = conv_ops(p, i);
    if (ops != NULL && ops->destroy != NULL)
        ops->destroy(p->engine->device, &p->layer[i]);
}

engine_algorithm engine_layer_algorithm(const engine_plan *p, int i, engine_pass pass) {
    engine_algorithm a = {.name = ""};
    const device_conv_ops *ops = conv_ops(p, i);
    if (ops != NULL && ops->algorithm != NULL)
        ops->algorithm(&a, &p->layer[i], pass);
    return a;
}

/* ---- addresses ---- */

static void *gradient_address(const engine_plan *p, int t, int slot) {
    return slot < 0 ? NULL : plan_address(p, plan_tensor_at(p, t)->gradient[slot]);
}

static producer_bn_args producer_of(const engine_plan *p, int i) {
    int bn = plan_producer_bn(p, i);
    if (bn < 0)
        return (producer_bn_args){0};
    const plan_tensor *x = plan_tensor_at(p, p->engine->model->layer[bn].input);
    return (producer_bn_args){.x = plan_address(p, x->block), .saved = plan_address(p, p->run[bn].saved)};
}

static void bind_conv(engine_plan *p, int i) {
    int input = p->engine->model->layer[i].input;
    const plan_tensor *x = plan_tensor_at(p, input);
    plan_layer *r = &p->run[i];
    producer_bn_args producer = producer_of(p, i);
    r->args.conv.forward = (conv_forward_args){.x = plan_address(p, x->block),
                                               .y = plan_address(p, plan_tensor_at(p, i)->block),
                                               .workspace = plan_address(p, r->workspace),
                                               .sums = plan_address(p, r->sums),
                                               .producer = producer};
    if (plan_trains(p, i))
        r->args.conv.backward = (conv_backward_args){.x = plan_address(p, x->backward_block),
                                                     .dy = {gradient_address(p, i, 0), gradient_address(p, i, 1)},
                                                     .dx = gradient_address(p, input, p->engine->slots[i].input),
                                                     .workspace = plan_address(p, r->workspace_backward),
                                                     .gradient_sums = plan_address(p, r->gradient_sums),
                                                     .producer = producer};
}

static void bind_bn(engine_plan *p, int i) {
    const engine *e = p->engine;
    const layer *l = &e->model->layer[i];
    const device_layer *d = &p->layer[i];
    const plan_tensor *x = plan_tensor_at(p, l->input), *y = plan_tensor_at(p, i);
    plan_layer *r = &p->run[i];
    int slot = e->slots[i].residual, consumer = readers_of(e, i)->layer[0];
    bn_forward_args forward = {
        .x = plan_address(p, x->block),
        .residual = slot >= 0 ? plan_address(p, plan_tensor_at(p, l->residual)->block) : NULL,
        .y = plan_address(p, y->block),
        .saved = plan_address(p, r->saved),
        .workspace = plan_address(p, r->workspace),
        .sums = d->sums_given ? plan_address(p, p->run[l->input].sums) : NULL,
    };
    r->args.bn.forward = forward;
    if (!plan_trains(p, i))
        return;
    r->args.bn.recompute = (bn_recompute_args){
        .x = forward.x, .residual = forward.residual, .y = plan_address(p, y->backward_block), .saved = forward.saved};
    r->args.bn.backward = (bn_backward_args){
        .x = plan_address(p, x->backward_block),
        .dy = {gradient_address(p, i, 0), gradient_address(p, i, 1)},
        .dx = gradient_address(p, l->input, e->slots[i].input),
        .dresidual = slot >= 0 ? gradient_address(p, l->residual, slot) : NULL,
        .saved = forward.saved,
        .workspace = plan_address(p, r->workspace_backward),
        .gradient_sums = d->fused_bn_bwd ? plan_address(p, p->run[consumer].gradient_sums) : NULL,
    };
}

static void bind_pool(engine_plan *p, int i) {
    int input = p->engine->model->layer[i].input;
    plan_layer *r = &p->run[i];
    r->args.pool.forward = (pool_forward_args){.x = plan_address(p, plan_tensor_at(p, input)->block),
                                               .y = plan_address(p, plan_tensor_at(p, i)->block),
                                               .saved = plan_address(p, r->saved)};
    if (plan_trains(p, i))
        r->args.pool.backward = (pool_backward_args){.dy = {gradient_address(p, i, 0), gradient_address(p, i, 1)},
                                                     .dx = gradient_address(p, input, p->engine->slots[i].input),
                                                     .saved = plan_address(p, r->saved)};
}

void layer_bind(engine_plan *p) {
    for (int i = 0; i < p->engine->model->layer_n; i++) {
        if (conv_ops(p, i) != NULL)
            bind_conv(p, i);
        else if (kind_of(p, i) == LAYER_BN)
            bind_bn(p, i);
        else
            bind_pool(p, i);
    }
}

/* ---- calls ---- */

int layer_forward(const engine_plan *p, int i) {
    const engine *e = p->engine;
    const device_layer *l = &p->layer[i];
    const layer_args *a = &p->run[i].args;
    if (conv_ops(p, i) != NULL)
        return conv_ops(p, i)->forward(e->device, l, &a->conv.forward, &e->params[i]);
    if (kind_of(p, i) == LAYER_BN)
        return ops_of(p)->bn.forward(e->device, l, &a->bn.forward, &e->params[i]);
    return pool_ops(p, i)->forward(e->device, l, &a->pool.forward);
}

int layer_backward(const engine_plan *p, int i) {
    const engine *e = p->engine;
    const device_layer *l = &p->layer[i];
    const layer_args *a = &p->run[i].args;
    if (conv_ops(p, i) != NULL)
        return conv_ops(p, i)->backward(e->device, l, &a->conv.backward, &e->params[i]);
    if (kind_of(p, i) == LAYER_BN)
        return ops_of(p)->bn.backward(e->device, l, &a->bn.backward, &e->params[i]);
    return pool_ops(p, i)->backward(e->device, l, &a->pool.backward);
}

int layer_recompute(const engine_plan *p, int i) {
    const engine *e = p->engine;
    return ops_of(p)->bn.recompute(e->device, &p->layer[i], &p->run[i].args.bn.recompute, &e->params[i]);
}
