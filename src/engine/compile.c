/* Compiles a plan: shapes, the device's plan of each layer, live ranges, and the layout of the activation arena. */
#include "backend/sync_bn.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "engine/internal.h"
#include "telemetry/host_memory.h"

#include <stdint.h>
#include <stdlib.h>

static int forward_time_step(int layer_number) { return layer_number; }
static int backward_time_step(const engine_plan *p, int layer_number) {
    return 2 * p->engine->model->layer_n - layer_number;
}
static int end_time_step(const engine_plan *p) { return 2 * p->engine->model->layer_n + 1; }

/** @return the index of the new block; -1 if it is empty */
static int add_block(engine_plan *p, size_t bytes, int first, int last) {
    if (bytes == 0)
        return -1;
    if (p->engine->options.keep_tensors) {
        first = -1;
        last = end_time_step(p);
    }
    p->block[p->block_n] = (plan_block){.bytes = bytes, .first = first, .last = last};
    return p->block_n++;
}

static size_t tensor_bytes(const plan_tensor *t) {
    return tensor_count(t->shape) / (size_t)t->shape.c * (size_t)t->channels * element_bytes(t->type);
}

/** Channels of the image batch in memory: padded if only convolutions read it. */
static int input_channels(const engine *e, int c) {
    const tensor_readers *r = readers_of(e, MODEL_INPUT);
    for (int i = 0; i < r->n; i++)
        if (e->model->layer[r->layer[i]].kind != LAYER_CONV || e->model->layer[r->layer[i]].groups > 1)
            return c;
    return e->ops->padded_channels != NULL && r->n > 0 ? e->ops->padded_channels(e->device, c) : c;
}

/** Whether backward of this layer reads its input: dw = f(x, dy) and BN's xhat = f(x). Pools keep indices. */
static bool backward_needs_x(layer_kind kind) { return kind == LAYER_CONV || kind == LAYER_LINEAR || kind == LAYER_BN; }

/** Time steps; both are -1 if there are none. */
typedef struct live_range {
    int first, last;
} live_range;

bool plan_trains(const engine_plan *p, int i) { return p->training && i >= p->engine->model->frozen_layer_n; }

/** The range of backward time steps that read tensor t. */
static live_range backward_reads(const engine_plan *p, int t) {
    const engine *e = p->engine;
    const tensor_readers *r = readers_of(e, t);
    live_range s = {-1, -1};
    for (int k = r->n - 1; k >= 0 && p->training; k--) { /* readers are in forward order */
        const layer *l = &e->model->layer[r->layer[k]];
        if (l->input != t || !backward_needs_x(l->kind) || !plan_trains(p, r->layer[k]))
            continue;
        s.last = backward_time_step(p, r->layer[k]);
        s.first = s.first < 0 ? s.last : s.first;
    }
    return s;
}

/** Whether tensor t is kept from forward until `time_step` of backward for another reader. */
static bool is_kept_until(const engine_plan *p, int t, int time_step) {
    return !plan_tensor_at(p, t)->recomputed && backward_reads(p, t).last >= time_step;
}

/** A tensor is recomputed only from tensors that are kept anyway, so no recomputation depends on another. Of a chain of
 *  residual additions every second output is kept. */
static bool can_recompute(const engine_plan *p, int t) {
    const engine *e = p->engine;
    const layer *l = &e->model->layer[t];
    int time_step = backward_reads(p, t).first;
    return e->options.recompute && !p->layer[t].applied_by_consumer && plan_trains(p, t) && l->kind == LAYER_BN &&
           e->ops->layer.bn.recompute != NULL && time_step >= 0 && is_kept_until(p, l->input, time_step) &&
           (e->slots[t].residual < 0 || is_kept_until(p, l->residual, time_step));
}

static void choose_recomputed(engine_plan *p) {
    const model *n = p->engine->model;
    for (int t = 0; t < n->layer_n; t++)
        plan_tensor_at(p, t)->recomputed = can_recompute(p, t);
    for (int i = 0; i < n->layer_n; i++) {
        int t = n->layer[i].input;
        p->run[i].recomputes_input =
            plan_tensor_at(p, t)->recomputed && backward_reads(p, t).first == backward_time_step(p, i);
    }
}

static void add_value_block(engine_plan *p, int t) {
    const engine *e = p->engine;
    const tensor_readers *r = readers_of(e, t);
    plan_tensor *to = plan_tensor_at(p, t);
    live_range again = backward_reads(p, t);
    int first = t == MODEL_INPUT ? -1 : forward_time_step(t);
    to->block = to->backward_block = -1;
    if (t != MODEL_INPUT && p->layer[t].applied_by_consumer)
        return; /* not stored: BN's x, from which it is computed, is kept for BN's backward */
    int last = r->n > 0 ? forward_time_step(r->layer[r->n - 1]) : end_time_step(p); /* the logits stay readable */
    if (!to->recomputed && again.last > last)
        last = again.last;
    to->block = to->backward_block = add_block(p, tensor_bytes(to), first, last);
    if (to->recomputed)
        to->backward_block = add_block(p, tensor_bytes(to), again.first, again.last);
}

static int last_gradient_use(const engine_plan *p, int t) {
    return t == MODEL_INPUT ? end_time_step(p) : backward_time_step(p, t);
}

/** Adds the block of the gradient of tensor t that layer i writes. BN's backward works in place: if `in_place` is given
 *  and has the same type, its block is reused and its live range extended. */
static void add_gradient_block(engine_plan *p, int i, int t, int slot, const plan_tensor *in_place) {
    plan_tensor *to = plan_tensor_at(p, t);
    if (slot >= to->gradient_n)
        return;
    int last = last_gradient_use(p, t);
    if (in_place != NULL && in_place->type == to->type && !p->engine->options.keep_tensors) {
        to->gradient[slot] = in_place->gradient[0];
        p->block[in_place->gradient[0]].last = last;
        return;
    }
    to->gradient[slot] = add_block(p, tensor_bytes(to), backward_time_step(p, i), last);
}

static void add_gradient_blocks(engine_plan *p) {
    const engine *e = p->engine;
    const model *n = e->model;
    int loss_time_step = n->layer_n;
    plan_tensor *logits = plan_tensor_at(p, n->layer_n - 1);
    logits->gradient[0] = add_block(p, tensor_bytes(logits), loss_time_step, backward_time_step(p, n->layer_n - 1));
    for (int i = n->layer_n - 1; i >= n->frozen_layer_n; i--) {
        const layer *l = &n->layer[i];
        const plan_tensor *dy = l->kind == LAYER_BN ? plan_tensor_at(p, i) : NULL;
        bool has_residual = e->slots[i].residual >= 0;
        if (has_residual)
            add_gradient_block(p, i, l->residual, e->slots[i].residual, dy);
        add_gradient_block(p, i, l->input, e->slots[i].input, has_residual ? NULL : dy);
    }
}

/** The last BN that computes batch statistics of layer i's output; -1: none. */
static int last_bn(const engine_plan *p, int i) {
    const engine *e = p->engine;
    const tensor_readers *r = readers_of(e, i);
    int last = -1;
    for (int k = 0; k < r->n; k++) { /* in forward order */
        const layer *l = &e->model->layer[r->layer[k]];
        last = l->kind == LAYER_BN && l->input == i && plan_trains(p, r->layer[k]) ? r->layer[k] : last;
    }
    return last;
}

int plan_producer_bn(const engine_plan *p, int i) {
    const model *n = p->engine->model;
    int t = n->layer[i].input;
    const layer *bn = t >= 0 ? &n->layer[t] : NULL;
    if (bn == NULL || bn->kind != LAYER_BN || !bn->relu || bn->residual != TENSOR_NONE || !plan_trains(p, t) ||
        readers_of(p->engine, t)->n != 1 || sync_bn_on(&p->engine->options))
        return -1;
    return bn->input >= 0 && n->layer[bn->input].kind == LAYER_CONV ? t : -1;
}

static void add_blocks(engine_plan *p) {
    int layer_n = p->engine->model->layer_n;
    for (int t = MODEL_INPUT; t < layer_n; t++)
        add_value_block(p, t);
    for (int i = 0; i < layer_n; i++) {
        int forward = forward_time_step(i), backward = backward_time_step(p, i);
        plan_layer *r = &p->run[i];
        r->saved = add_block(p, p->layer[i].saved_bytes, forward, plan_trains(p, i) ? backward : forward);
        r->workspace = add_block(p, p->layer[i].workspace_bytes, forward, forward);
        r->sums = add_block(p, p->layer[i].sums_bytes, forward, last_bn(p, i));
        r->gradient_sums =
            add_block(p, p->layer[i].gradient_sums_bytes, backward, backward_time_step(p, p->layer[i].layer->input));
        r->workspace_backward = plan_trains(p, i) ? add_block(p, p->layer[i].workspace_bytes, backward, backward) : -1;
    }
    if (p->training)
        add_gradient_blocks(p);
}

void *plan_address(const engine_plan *p, int block) {
    unsigned char *base = p->engine->activation;
    return block < 0 || base == NULL ? NULL : base + p->block[block].offset;
}

/** Grows the arena to the size of p and rebinds the addresses of all plans. After a failure the old size is restored if
 *  the memory is still available. */
static int grow_arena(engine_plan *p) {
    engine *e = p->engine;
    int rc = OK;
    if (p->bytes > e->activation_bytes) {
        size_t old = e->activation_bytes;
        if (e->activation != NULL)
            e->ops->release(e->device, e->activation, old);
        e->activation = NULL;
        e->activation_bytes = 0;
        e->active_plan = NULL;
        rc = e->ops->allocate(&e->activation, e->device, p->bytes);
        if (rc < 0) {
            char size[32];
            rc = fail_context(rc, "the activations of %d images of %d x %d pixels need %s", p->batch, p->h, p->w,
                              text_bytes(size, (double)p->bytes));
        }
        if (rc == OK)
            e->activation_bytes = p->bytes;
        else if (old > 0 && e->ops->allocate(&e->activation, e->device, old) == OK)
            e->activation_bytes = old;
        for (int i = 0; i < e->plan_n; i++) {
            plan_forget_steps(e->plan[i]);
            layer_bind(e->plan[i]);
        }
    }
    if (rc == OK)
        layer_bind(p);
    return rc;
}

static bool count_overflows(tensor_shape s) {
    size_t n = (size_t)s.n;
    return __builtin_mul_overflow(n, (size_t)s.h, &n) || __builtin_mul_overflow(n, (size_t)s.w, &n) ||
           __builtin_mul_overflow(n, (size_t)s.c, &n) || n > SIZE_MAX / 64;
}

static int set_shapes(engine_plan *p) {
    const engine *e = p->engine;
    const model *n = e->model;
    int rc = OK;
    tensor_shape *shape = NULL;
    TRY(memory_zeroed(&shape, (size_t)n->layer_n, sizeof *shape));
    TRY(model_shapes(shape, n, p->batch, p->h, p->w));
    for (int t = MODEL_INPUT; t < n->layer_n; t++) {
        plan_tensor *to = plan_tensor_at(p, t);
        bool input = t == MODEL_INPUT;
        to->shape = input ? (tensor_shape){p->batch, p->h, p->w, n->layer[0].in_c} : shape[t];
        to->type = input ? e->ops->element_of_input(e->device) : e->ops->element_of(e->device, n->layer[t].kind);
        to->channels = input ? input_channels(e, to->shape.c) : to->shape.c;
        to->gradient[0] = to->gradient[1] = -1;
        if (input ? p->training && e->options.input_gradient && n->frozen_layer_n == 0 : plan_trains(p, t))
            to->gradient_n = readers_of(e, t)->n > 0 ? readers_of(e, t)->n : 1;
        if (count_overflows(to->shape)) {
            rc = fail(E_NOMEM, "the activations of %d images of %d x %d pixels exceed the address space", p->batch,
                      p->h, p->w);
            goto done;
        }
    }
done:
    free(shape);
    return rc;
}

static int prepare_layer(engine_plan *p, int i) {
    const engine *e = p->engine;
    const layer *l = &e->model->layer[i];
    const plan_tensor *x = plan_tensor_at(p, l->input), *y = plan_tensor_at(p, i);
    bool bn = l->kind == LAYER_BN && plan_trains(p, i);
    int reader = readers_of(e, i)->n > 0 ? readers_of(e, i)->layer[0] : -1, rc = OK;
    const device_layer *before = bn && l->input >= 0 ? &p->layer[l->input] : NULL;
    const device_layer *consumer = bn && reader >= 0 && plan_producer_bn(p, reader) == i ? &p->layer[reader] : NULL;
    if (bn && tensor_count(x->shape) == (size_t)l->out_c)
        return fail(E_SHAPE,
                    "layer %s: batch statistics need more than one value per channel; use larger images or a larger "
                    "batch",
                    l->name);
    p->layer[i] = (device_layer){.layer = l,
                                 .x = x->shape,
                                 .y = y->shape,
                                 .training = plan_trains(p, i),
                                 .estimate = p->estimate,
                                 .x_channels = x->channels,
                                 .weight_offset = l->weight >= 0 ? e->model->param[l->weight].offset : 0,
                                 .dx_needed = x->gradient_n > 0,
                                 .sums_wanted = last_bn(p, i) >= 0,
                                 .sums_given = before != NULL && before->sums_bytes > 0,
                                 .producer_bn = plan_producer_bn(p, i) >= 0,
                                 .applied_by_consumer = consumer != NULL && consumer->applies_bn,
                                 .fused_bn_bwd = consumer != NULL && consumer->gradient_sums_bytes > 0,
                                 .dy_n = y->gradient_n};
    TRY(layer_plan(p, i));
    p->run[i].planned = true;
done:
    return rc;
}

static int prepare_layers(engine_plan *p) {
    const model *n = p->engine->model;
    int rc = OK;
    for (int bn = 0; bn < 2; bn++)
        for (int i = 0; i < n->layer_n; i++)
            if ((n->layer[i].kind == LAYER_BN) == bn)
                TRY(prepare_layer(p, i));
done:
    return rc;
}

void plan_destroy(engine_plan *p) {
    if (p == NULL)
        return;
    plan_forget_steps(p);
    for (int i = 0; i < p->engine->model->layer_n; i++)
        if (p->run != NULL && p->run[i].planned)
            layer_destroy(p, i);
    free(p->layer);
    free(p->run);
    free(p->tensor);
    free(p->block);
    free(p);
}

static int check_batch(int images, int h, int w) {
    if (images < 1 || h < 1 || w < 1)
        return fail(E_SHAPE, "invalid batch of %d images of %d x %d pixels: all sizes must be positive", images, h, w);
    return OK;
}

/** *out is valid and must be destroyed also after a failure. */
static int plan_create(engine_plan **out, engine *e, int images, int h, int w, bool training, bool estimate) {
    int rc = OK;
    engine_plan *p = NULL;
    size_t layers = (size_t)e->model->layer_n;
    TRY(memory_zeroed(&p, 1, sizeof *p));
    *p = (engine_plan){.engine = e, .batch = images, .h = h, .w = w, .training = training, .estimate = estimate};
    TRY(memory_zeroed(&p->layer, layers, sizeof *p->layer));
    TRY(memory_zeroed(&p->run, layers, sizeof *p->run));
    TRY(memory_zeroed(&p->tensor, layers + 1, sizeof *p->tensor));
    /* per tensor: values, recomputed values, two gradients; per layer: saved, two kinds of sums, two workspaces */
    TRY(memory_zeroed(&p->block, 9 * (layers + 1), sizeof *p->block));
    TRY(set_shapes(p));
    size_t before = host_memory_resident();
    TRY(prepare_layers(p));
    size_t after = host_memory_resident();
    e->library_bytes += after > before ? after - before : 0;
    choose_recomputed(p);
    add_blocks(p);
    TRY(plan_layout(&p->bytes, p->block, p->block_n));
done:
    *out = p;
    return rc;
}

int engine_plan_bytes(size_t *out, engine *e, int images, int h, int w, bool training) {
    int rc = OK;
    engine_plan *p = NULL;
    size_t library = e->library_bytes;
    *out = 0;
    TRY(check_batch(images, h, w));
    TRY(plan_create(&p, e, images, h, w, training, true));
    *out = p->bytes;
done:
    plan_destroy(p);
    e->library_bytes = library;
    return rc;
}

int engine_compile(engine_plan **out, engine *e, int images, int h, int w, bool training) {
    int rc = OK;
    engine_plan *p = NULL;
    *out = NULL;
    for (int i = 0; i < e->plan_n; i++) {
        engine_plan *q = e->plan[i];
        if (q->batch == images && q->h == h && q->w == w && q->training == training) {
            *out = q;
            return grow_arena(q); /* the arena is smaller only after an allocation failure */
        }
    }
    TRY(check_batch(images, h, w));
    TRY(memory_resize(&e->plan, (size_t)e->plan_n + 1, sizeof *e->plan));
    TRY(plan_create(&p, e, images, h, w, training, false));
    TRY(grow_arena(p));
    e->plan[e->plan_n++] = p; /* now owned by e */
    *out = p;
    p = NULL;
done:
    plan_destroy(p);
    return rc;
}
