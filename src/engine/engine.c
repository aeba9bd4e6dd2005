/* Creation of an engine, and the parts of a step: load, forward, loss, backward, all-reduce of gradients, update. */
#include "engine/engine.h"

#include "base/memory.h"
#include "base/status.h"
#include "engine/grad_sync.h"
#include "engine/internal.h"
#include "telemetry/host_memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *precision_name(precision p) {
    switch (p) {
    case PRECISION_32: return "32-true";
    case PRECISION_BF16: return "bf16-mixed";
    case PRECISION_16: return "16-mixed";
    }
    return "?";
}

engine_options engine_options_default(void) {
    return (engine_options){.precision = PRECISION_32,
                            .deterministic = true,
                            .mean = {0.485f, 0.456f, 0.406f},
                            .std = {0.229f, 0.224f, 0.225f}};
}

/** Weights, gradients, momentum, and the square if the optimizer has one. */
static int parameter_arenas(const engine *e) { return optimizer_squares(e->options.optimizer) ? 4 : 3; }

static int allocate_arenas(engine *e) {
    int rc = OK;
    size_t unit = element_bytes(e->ops->master), weights = e->model->weight_n * unit;
    void **place[] = {&e->weight, &e->gradient, &e->momentum, &e->square};
    for (int i = 0; i < parameter_arenas(e); i++)
        if (weights > 0)
            TRY(e->ops->allocate(place[i], e->device, weights));
    if (e->model->stats_elements > 0)
        TRY(e->ops->allocate(&e->stats, e->device, e->model->stats_elements * unit));
    if (grad_sync_half_bytes(e) > 0)
        TRY(e->ops->allocate(&e->grad_16bit, e->device, grad_sync_half_bytes(e)));
done:
    return rc;
}

static void release_arenas(engine *e) {
    size_t unit = element_bytes(e->ops->master), weights = e->model->weight_n * unit;
    void *place[] = {e->weight, e->gradient, e->momentum, e->square};
    for (int i = 0; i < 4; i++)
        if (place[i] != NULL)
            e->ops->release(e->device, place[i], weights);
    if (e->stats != NULL)
        e->ops->release(e->device, e->stats, e->model->stats_elements * unit);
    if (e->grad_16bit != NULL)
        e->ops->release(e->device, e->grad_16bit, grad_sync_half_bytes(e));
    if (e->activation != NULL)
        e->ops->release(e->device, e->activation, e->activation_bytes);
}

static int bind_parameters(engine *e) {
    const model *n = e->model;
    int rc = OK;
    TRY(memory_zeroed(&e->params, (size_t)n->layer_n, sizeof *e->params));
    for (int i = 0; i < n->layer_n; i++) {
        const layer *l = &n->layer[i];
        device_params *p = &e->params[i];
        *p = (device_params){.weight_index = l->weight, .bias_index = l->bias};
        if (l->weight >= 0) {
            p->weight = arena_at(e->weight, e, n->param[l->weight].offset);
            p->dweight = arena_at(e->gradient, e, n->param[l->weight].offset);
        }
        if (l->bias >= 0) {
            p->bias = arena_at(e->weight, e, n->param[l->bias].offset);
            p->dbias = arena_at(e->gradient, e, n->param[l->bias].offset);
        }
        if (l->kind == LAYER_BN) {
            if (l->stats < 0 || l->stats >= n->stats_n) {
                rc = fail(E_SHAPE, "layer %s has no running statistics in the model", l->name);
                goto done;
            }
            const model_stats *s = &n->stats[l->stats];
            p->running_mean = arena_at(e->stats, e, s->offset);
            p->running_var = arena_at(e->stats, e, s->offset + (size_t)s->c);
        }
    }
done:
    return rc;
}

int engine_create(engine **out, const char *device, const model *n, const engine_options *o) {
    int rc = OK;
    engine *e = NULL;
    *out = NULL;
    TRY(memory_zeroed(&e, 1, sizeof *e));
    e->model = n;
    e->options = *o;
    e->version = e->written = 1;
    e->process_bytes = host_memory_resident();
    TRY(device_find(&e->ops, device));
    TRY(e->ops->open(&e->device, o));
    e->exchange = e->ops->collective != NULL && e->ops->collective->exchange != NULL
                      ? e->ops->collective->exchange(e->device)
                      : NULL;
    if (e->exchange == NULL)
        e->exchange = o->comm;
    TRY(memory_string(&e->description, e->ops->description(e->device)));
    TRY(engine_analyse(e));
    TRY(allocate_arenas(e));
    TRY(bind_parameters(e));
    TRY(memory_zeroed(&e->times.layer, (size_t)n->layer_n, sizeof *e->times.layer));
    TRY(engine_set_hyper(e, &(engine_hyper){.loss_scale = 1, .images = 1}));
    TRY(engine_reset_result(e));
    *out = e;
    e = NULL;
done:
    engine_destroy(e);
    return rc;
}

void engine_destroy(engine *e) {
    if (e == NULL)
        return;
    for (int i = 0; i < e->plan_n; i++)
        plan_destroy(e->plan[i]);
    if (e->device != NULL) {
        release_arenas(e);
        e->ops->close(e->device);
    }
    free(e->plan);
    free(e->params);
    free(e->readers);
    free(e->slots);
    free(e->range);
    grad_sync_deinit(e);
    free(e->times.layer);
    free(e->ema);
    free(e->staging);
    free(e->empty_work);
    free(e->kept);
    free(e->param_staging);
    free(e->description);
    free(e);
}

const char *engine_device(const engine *e) { return e->ops->name; }
const char *engine_description(const engine *e) { return e->description; }

engine_memory engine_plan_memory(const engine *e, const engine_plan *p) {
    size_t copies = e->ops->copy_bytes != NULL ? e->ops->copy_bytes(e->device) : 0;
    size_t masters = (size_t)parameter_arenas(e) * e->model->weight_n + e->model->stats_elements;
    masters *= element_bytes(e->ops->master);
    copies += grad_sync_half_bytes(e);
    size_t staging = e->staging_bytes + e->param_staging_n * sizeof *e->param_staging;
    if (e->ops->memory_free != NULL) /* the device has its own memory: host memory does not count */
        return (engine_memory){.parameters = masters + copies, .activations = p != NULL ? p->bytes : 0};
    return (engine_memory){.parameters = masters + copies + engine_ema_bytes(e),
                           .activations = p != NULL ? p->bytes : 0,
                           .library = e->library_bytes + staging,
                           .process = e->process_bytes};
}

size_t engine_memory_total(const engine_memory *m) { return m->parameters + m->activations + m->library + m->process; }

size_t engine_memory_limit(const engine *e) {
    if (e->ops->memory_free != NULL) {
        engine_memory m = engine_plan_memory(e, NULL);
        size_t left = 0;
        return e->ops->memory_free(&left, e->device) == OK ? left + engine_memory_total(&m) + e->activation_bytes
                                                           : SIZE_MAX;
    }
    size_t more = host_memory_available(), now = host_memory_resident();
    return more < SIZE_MAX - now ? now + more : SIZE_MAX;
}

size_t engine_memory_share(const engine *e, int processes) {
    size_t limit = engine_memory_limit(e), now = host_memory_resident();
    if (limit == SIZE_MAX || limit < now || e->ops->memory_free != NULL)
        return limit;
    return now + (limit - now) / (size_t)processes;
}

int engine_set_hyper(engine *e, const engine_hyper *h) {
    if (!(h->loss_scale > 0) && !(h->loss_scale == 0 && e->ops->stream != NULL))
        return fail(E_OPTION, "loss scale %g: must be positive", h->loss_scale);
    if (!(h->images > 0))
        return fail(E_OPTION, "the number of images %g must be positive", h->images);
    if (!(h->label_smoothing >= 0 && h->label_smoothing <= 1))
        return fail(E_OPTION, "label smoothing %g must be from 0 to 1", h->label_smoothing);
    if (h->updates < 0 && !(h->updates == -1 && e->ops->stream != NULL))
        return fail(E_OPTION, "the number of updates %lld must not be negative", h->updates);
    if (h->loss.weighted && !e->class_weights)
        return fail(E_OPTION, "the loss is weighted, but no class weights are set");
    return e->ops->optimizer.set_hyper(e->device, h);
}

int engine_set_class_weights(engine *e, const double *weight) {
    double sum = 0;
    int rc = OK;
    for (int i = 0; i < e->model->classes; i++) {
        if (!(weight[i] >= 0 && isfinite(weight[i])))
            return fail(E_OPTION, "the weight %g of class %d must be 0 or more, and finite", weight[i], i);
        sum += weight[i];
    }
    if (sum == 0)
        return fail(E_OPTION, "the class weights are all 0");
    TRY(e->ops->set_class_weights(e->device, weight, e->model->classes));
    e->class_weights = true;
done:
    return rc;
}

int plan_check_active(const engine_plan *p) {
    if (p->engine->active_plan == p)
        return OK;
    return fail(E_SHAPE,
                "no batch is loaded for the plan of %d images of %d x %d pixels: load a batch first (another plan may "
                "have replaced it)",
                p->batch, p->h, p->w);
}

int plan_take_arena(engine_plan *p) {
    if (p->bytes > p->engine->activation_bytes)
        return fail(E_NOMEM, "the activation arena was released when memory ran out: compile the plan again");
    p->engine->active_plan = p;
    return OK;
}

int engine_load_batch(engine *e, engine_plan *p, const batch *b) {
    tensor_shape x = plan_tensor_at(p, MODEL_INPUT)->shape;
    int rc = OK;
    if (b->n != x.n || b->h != x.h || b->w != x.w || x.c != 3)
        return fail(E_SHAPE, "the batch has %d images of %d x %d x 3, but the plan expects %d of %d x %d x %d", b->n,
                    b->h, b->w, x.n, x.h, x.w, x.c);
    for (int i = 0; i < b->n; i++)
        if (b->label[i] < 0 || b->label[i] >= e->model->classes || b->label_b[i] < 0 ||
            b->label_b[i] >= e->model->classes)
            return fail(
                E_DATA,
                "label out of range: image %d of the batch has labels %d and %d, but the model has classes 0 to %d", i,
                (int)b->label[i], (int)b->label_b[i], e->model->classes - 1);
    double start = 0;
    TRY(plan_take_arena(p));
    TRY(profile_begin(&start, e));
    const plan_tensor *to = plan_tensor_at(p, MODEL_INPUT);
    TRY(e->ops->load_batch(e->device, plan_address(p, to->block), to->channels, b));
    TRY(profile_add(&e->times.phase[PHASE_LOAD], e, start));
done:
    return rc;
}

int engine_draw_drop_path(engine *e, const engine_plan *p, uint64_t seed, uint32_t epoch, uint64_t number) {
    random_stream r = random_open(seed, epoch, number, RANDOM_DROP_PATH);
    size_t n = (size_t)e->model->drop_n * (size_t)p->batch;
    int rc = OK;
    if (n == 0 || !p->training)
        return OK;
    if (n > e->kept_n) {
        TRY(memory_resize(&e->kept, n, sizeof *e->kept));
        e->kept_n = n;
    }
    model_draw_drop_path(e->kept, e->model, p->batch, &r);
    TRY(e->ops->load_drop_path(e->device, e->kept, e->model->drop_n, p->batch));
done:
    return rc;
}

int engine_before_step(engine *e) {
    device_arenas a = engine_arenas(e);
    return e->ops->stream != NULL && !e->recording ? e->ops->stream->before_step(e->device, &a, e->written) : OK;
}

int engine_forward(engine *e, engine_plan *p) {
    int rc = OK;
    TRY(plan_check_active(p));
    TRY(engine_before_step(e));
    for (int i = 0; i < e->model->layer_n; i++) {
        double start = 0;
        TRY(profile_begin(&start, e));
        e->params[i].version = e->version;
        e->params[i].keep_statistics = e->keep_statistics;
        TRY(layer_forward(p, i));
        TRY(profile_add(&e->times.layer[i][PASS_FORWARD], e, start));
    }
done:
    return rc;
}

int engine_loss(engine *e, engine_plan *p) {
    int rc = OK;
    int last = e->model->layer_n - 1;
    const plan_tensor *logits = plan_tensor_at(p, last);
    TRY(plan_check_active(p));
    if (e->model->layer[last].kind != LAYER_LINEAR || logits->shape.c != e->model->classes)
        return fail(E_SHAPE, "the loss needs a model that ends in a linear layer of %d outputs", e->model->classes);
    device_loss l = {.logits = plan_address(p, logits->block),
                     .dlogits = p->training ? plan_address(p, logits->gradient[0]) : NULL,
                     .n = p->batch,
                     .classes = logits->shape.c};
    double start = 0;
    TRY(profile_begin(&start, e));
    TRY(e->ops->loss(e->device, &l));
    TRY(profile_add(&e->times.phase[PHASE_LOSS], e, start));
done:
    return rc;
}

/** The time is added to the backward time of the recomputed layer. */
static int recompute(engine *e, engine_plan *p, int i) {
    double start = 0;
    int rc = OK;
    TRY(profile_begin(&start, e));
    TRY(layer_recompute(p, i));
    TRY(profile_add(&e->times.layer[i][PASS_BACKWARD], e, start));
done:
    return rc;
}

int engine_backward(engine *e, engine_plan *p, unsigned flags) {
    int rc = OK, next_bucket = 0;
    bool reduce = (flags & ENGINE_LAST) && comm_ranks(e->exchange) > 1;
    TRY(plan_check_active(p));
    if (!p->training)
        return fail(E_OPTION, "backward needs a plan compiled for training");
    for (int i = e->model->layer_n - 1; i >= e->model->frozen_layer_n; i--) {
        if (p->run[i].recomputes_input)
            TRY(recompute(e, p, e->model->layer[i].input));
        e->params[i].version = e->version;
        e->params[i].accumulate = !(flags & ENGINE_FIRST);
        e->params[i].wgrad_seconds = e->times.on ? &e->times.layer[i][PASS_WGRAD] : NULL;
        double start = 0;
        TRY(profile_begin(&start, e));
        TRY(layer_backward(p, i));
        TRY(profile_add(&e->times.layer[i][PASS_BACKWARD], e, start));
        if (reduce)
            TRY(grad_sync_start(&next_bucket, e, i));
    }
done:
    if (rc != OK && next_bucket > 0) {
        status_saved first;
        status_save(&first, rc);
        grad_sync_wait(e, next_bucket);
        return status_restore(&first);
    }
    return rc == OK ? grad_sync_wait(e, next_bucket) : rc;
}

device_arenas engine_arenas(const engine *e) {
    return (device_arenas){.weight = e->weight,
                           .gradient = e->gradient,
                           .momentum = e->momentum,
                           .square = e->square,
                           .n = e->model->weight_n,
                           .frozen = e->model->frozen_n,
                           .range = e->range,
                           .range_n = e->range_n};
}

int engine_unscale(engine *e) {
    device_arenas a = engine_arenas(e);
    double start = 0;
    int rc = OK;
    TRY(profile_begin(&start, e));
    TRY(engine_before_step(e));
    TRY(e->ops->optimizer.unscale(e->device, &a));
    TRY(profile_add(&e->times.phase[PHASE_UNSCALE], e, start));
done:
    return rc;
}

int engine_update(engine *e) {
    device_arenas a = engine_arenas(e);
    double start = 0;
    int rc = OK;
    TRY(profile_begin(&start, e));
    e->version++; /* even if the device skips the step, which is not known here */
    TRY(e->ops->optimizer.update(e->device, &a));
    TRY(profile_add(&e->times.phase[PHASE_UPDATE], e, start));
    TRY(profile_read(e)); /* end of a step */
done:
    return rc;
}
