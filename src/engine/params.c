/* Reads and writes parameters and tensors as double, in logical order. Not used within a step. */
#include "backend/convert.h"
#include "base/memory.h"
#include "base/status.h"
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

int engine_stage(engine *e, size_t raw_bytes, size_t slot_n) {
    int rc = OK;
    if (raw_bytes > e->staging_bytes) {
        TRY(memory_resize(&e->staging, raw_bytes, 1));
        e->staging_bytes = raw_bytes;
    }
    if (slot_n > e->param_staging_n) {
        TRY(memory_resize(&e->param_staging, slot_n, sizeof *e->param_staging));
        e->param_staging_n = slot_n;
    }
done:
    return rc;
}

static int download(double *out, engine *e, const void *memory, element type, size_t n) {
    int rc = OK;
    TRY(engine_stage(e, n * element_bytes(type), 0));
    TRY(e->ops->download(e->device, e->staging, memory, n * element_bytes(type)));
    elements_to_double(out, e->staging, type, n);
done:
    return rc;
}

static int upload(engine *e, void *memory, const double *in, element type, size_t n) {
    int rc = OK;
    TRY(engine_stage(e, n * element_bytes(type), 0));
    elements_from_double(e->staging, in, type, n);
    TRY(e->ops->upload(e->device, memory, e->staging, n * element_bytes(type)));
done:
    return rc;
}

int engine_clear_gradient(engine *e) {
    size_t unit = element_bytes(e->ops->master), most = model_largest(e->model);
    int rc = OK;
    TRY(engine_stage(e, most * unit, 0));
    memset(e->staging, 0, most * unit);
    for (size_t at = 0; at < e->model->weight_n; at += most) {
        size_t n = e->model->weight_n - at < most ? e->model->weight_n - at : most;
        TRY(e->ops->upload(e->device, (unsigned char *)e->gradient + at * unit, e->staging, n * unit));
    }
done:
    return rc;
}

/** A tensor whose channels may be padded in memory from `narrow` to `wide`. */
static int download_tensor(double *out, engine *e, const void *memory, const plan_tensor *t) {
    size_t narrow = (size_t)t->shape.c, wide = (size_t)t->channels, rows = tensor_count(t->shape) / narrow;
    int rc = OK;
    if (wide == narrow)
        return download(out, e, memory, t->type, rows * narrow);
    TRY(engine_stage(e, 0, rows * wide));
    TRY(download(e->param_staging, e, memory, t->type, rows * wide));
    for (size_t i = 0; i < rows * narrow; i++)
        out[i] = e->param_staging[i / narrow * wide + i % narrow];
done:
    return rc;
}

static int upload_tensor(engine *e, void *memory, const double *in, const plan_tensor *t) {
    size_t narrow = (size_t)t->shape.c, wide = (size_t)t->channels, rows = tensor_count(t->shape) / narrow;
    int rc = OK;
    if (wide == narrow)
        return upload(e, memory, in, t->type, rows * narrow);
    TRY(engine_stage(e, 0, rows * wide));
    for (size_t i = 0; i < rows * wide; i++)
        e->param_staging[i] = i % wide < narrow ? in[i / wide * narrow + i % wide] : 0;
    TRY(upload(e, memory, e->param_staging, t->type, rows * wide));
done:
    return rc;
}

/** Location of a parameter or of a layer's statistics. *layout: the parameter, if the device may use another element
 *  order; else NULL. */
static int locate(void **memory, size_t *n, const param **layout, engine *e, engine_what what, int i) {
    void *base = NULL;
    size_t offset = 0;
    int limit = what == ENGINE_STATS ? e->model->stats_n : e->model->param_n;
    if (i < 0 || i >= limit)
        return fail(E_OPTION, "index %d is out of range: there are %d %s", i, limit,
                    what == ENGINE_STATS ? "statistics" : "parameters");
    *layout = NULL;
    switch (what) {
    case ENGINE_WEIGHT: base = e->weight; break;
    case ENGINE_GRADIENT: base = e->gradient; break;
    case ENGINE_MOMENTUM: base = e->momentum; break;
    case ENGINE_SQUARE: base = e->square; break;
    case ENGINE_STATS: base = e->stats; break;
    }
    if (what == ENGINE_SQUARE && base == NULL)
        return fail(E_OPTION, "the optimizer keeps no average of squared gradients");
    if (what == ENGINE_STATS) {
        offset = e->model->stats[i].offset;
        *n = 2 * (size_t)e->model->stats[i].c;
    } else {
        *layout = &e->model->param[i];
        offset = (*layout)->offset;
        *n = (*layout)->count;
    }
    *memory = (unsigned char *)base + offset * element_bytes(e->ops->master);
    return OK;
}

int engine_read(double *out, engine *e, engine_what what, int i) {
    int rc = OK;
    void *memory = NULL;
    size_t n = 0;
    const param *layout = NULL;
    TRY(locate(&memory, &n, &layout, e, what, i));
    if (layout == NULL || e->ops->param_to_logical == NULL)
        return download(out, e, memory, e->ops->master, n);
    TRY(engine_stage(e, 0, n));
    TRY(download(e->param_staging, e, memory, e->ops->master, n));
    e->ops->param_to_logical(out, e->param_staging, layout);
done:
    return rc;
}

int engine_write(engine *e, engine_what what, int i, const double *values) {
    int rc = OK;
    void *memory = NULL;
    size_t n = 0;
    const param *layout = NULL;
    TRY(locate(&memory, &n, &layout, e, what, i));
    if (what == ENGINE_WEIGHT) {
        e->version++;
        e->written++;
    }
    if (layout == NULL || e->ops->logical_to_param == NULL)
        return upload(e, memory, values, e->ops->master, n);
    TRY(engine_stage(e, 0, n));
    e->ops->logical_to_param(e->param_staging, values, layout);
    TRY(upload(e, memory, e->param_staging, e->ops->master, n));
done:
    return rc;
}

static int init_parameters(engine *e, uint64_t seed) {
    const model *n = e->model;
    size_t largest = model_largest(n);
    float *values = NULL;
    double *wide = NULL;
    int rc = OK;
    TRY(memory_zeroed(&values, largest, sizeof *values));
    TRY(memory_zeroed(&wide, largest, sizeof *wide));
    for (int i = 0; i < n->param_n; i++) {
        model_init_param(values, n, i, seed);
        elements_to_double(wide, values, ELEMENT_F32, n->param[i].count);
        TRY(engine_write(e, ENGINE_WEIGHT, i, wide));
        memset(wide, 0, n->param[i].count * sizeof *wide);
        TRY(engine_write(e, ENGINE_MOMENTUM, i, wide));
        if (e->square != NULL)
            TRY(engine_write(e, ENGINE_SQUARE, i, wide));
    }
done:
    free(values);
    free(wide);
    return rc;
}

int engine_init_weights(engine *e, uint64_t seed) {
    const model *n = e->model;
    double *values = NULL;
    int rc = OK;
    TRY(init_parameters(e, seed));
    for (int i = 0; i < n->stats_n; i++) {
        size_t c = (size_t)n->stats[i].c;
        TRY(memory_resize(&values, 2 * c, sizeof *values));
        for (size_t k = 0; k < 2 * c; k++)
            values[k] = k < c ? 0 : 1;
        TRY(engine_write(e, ENGINE_STATS, i, values));
    }
done:
    free(values);
    return rc;
}

struct engine_saved_state {
    unsigned char *bytes; /* the arenas of state_arenas, consecutively */
};

typedef struct arena_span {
    void *memory;
    size_t bytes;
} arena_span;

enum { STATE_ARENAS = 4 };

static void state_arenas(arena_span out[STATE_ARENAS], const engine *e) {
    size_t one = element_bytes(e->ops->master);
    out[0] = (arena_span){e->weight, e->model->weight_n * one};
    out[1] = (arena_span){e->momentum, e->model->weight_n * one};
    out[2] = (arena_span){e->stats, e->model->stats_elements * one};
    out[3] = (arena_span){e->square, e->square != NULL ? e->model->weight_n * one : 0};
}

size_t engine_state_bytes(const engine *e) {
    arena_span part[STATE_ARENAS];
    size_t total = 0;
    state_arenas(part, e);
    for (int i = 0; i < STATE_ARENAS; i++)
        total += part[i].bytes;
    return total;
}

int engine_state_save(engine_saved_state **out, engine *e) {
    arena_span part[STATE_ARENAS];
    engine_saved_state *s = NULL;
    size_t at = 0;
    int rc = OK;
    state_arenas(part, e);
    TRY(memory_zeroed(&s, 1, sizeof *s));
    TRY(memory_zeroed(&s->bytes, engine_state_bytes(e), 1));
    for (int i = 0; i < STATE_ARENAS; at += part[i++].bytes)
        if (part[i].bytes > 0)
            TRY(e->ops->download(e->device, s->bytes + at, part[i].memory, part[i].bytes));
    *out = s;
    s = NULL; /* now owned by the caller */
done:
    engine_state_free(s);
    return rc;
}

int engine_state_restore(engine *e, const engine_saved_state *s) {
    arena_span part[STATE_ARENAS];
    size_t at = 0;
    int rc = OK;
    state_arenas(part, e);
    e->version++;
    e->written++;
    for (int i = 0; i < STATE_ARENAS; at += part[i++].bytes)
        if (part[i].bytes > 0)
            TRY(e->ops->upload(e->device, part[i].memory, s->bytes + at, part[i].bytes));
done:
    return rc;
}

void engine_state_free(engine_saved_state *s) {
    if (s != NULL)
        free(s->bytes);
    free(s);
}

static int check_tensor(const engine *e, const engine_plan *p, int t) {
    if (t < MODEL_INPUT || t >= e->model->layer_n)
        return fail(E_OPTION, "tensor %d does not exist: the model has %d tensors", t, e->model->layer_n);
    return plan_check_active(p);
}

int engine_read_tensor(double *out, engine *e, engine_plan *p, int t) {
    int rc = OK;
    TRY(check_tensor(e, p, t));
    if (t != e->model->layer_n - 1 && !e->options.keep_tensors)
        return fail(E_OPTION, "tensor %d shares its memory with others: set keep_tensors to read it", t);
    const plan_tensor *from = plan_tensor_at(p, t);
    if (t != MODEL_INPUT && p->layer[t].applied_by_consumer)
        return fail(E_UNSUPPORTED, "tensor %d is not stored: its consumer computes it on the fly", t);
    TRY(download_tensor(out, e, plan_address(p, from->block), from));
done:
    return rc;
}

int engine_read_tensor_gradient(double *out, engine *e, engine_plan *p, int t) {
    int rc = OK;
    double *second = NULL;
    TRY(check_tensor(e, p, t));
    const plan_tensor *from = plan_tensor_at(p, t);
    size_t n = tensor_count(from->shape);
    if (!e->options.keep_tensors || from->gradient_n == 0)
        return fail(E_OPTION, "tensor %d has no stored gradient: this requires keep_tensors%s and a training plan", t,
                    t == MODEL_INPUT ? ", input_gradient" : "");
    if (t != MODEL_INPUT && p->layer[t].fused_bn_bwd)
        return fail(E_UNSUPPORTED, "tensor %d stores the gradient after its ReLU mask only", t);
    TRY(download_tensor(out, e, plan_address(p, from->gradient[0]), from));
    if (from->gradient_n == 2) {
        TRY(memory_zeroed(&second, n, sizeof *second));
        TRY(download_tensor(second, e, plan_address(p, from->gradient[1]), from));
        for (size_t i = 0; i < n; i++)
            out[i] += second[i];
    }
done:
    free(second);
    return rc;
}

int engine_write_input(engine *e, engine_plan *p, const double *x) {
    const plan_tensor *to = plan_tensor_at(p, MODEL_INPUT);
    int rc = OK;
    TRY(plan_take_arena(p));
    TRY(upload_tensor(e, plan_address(p, to->block), x, to));
done:
    return rc;
}

int engine_write_output_gradient(engine *e, engine_plan *p, const double *dy) {
    const plan_tensor *to = plan_tensor_at(p, e->model->layer_n - 1);
    int rc = OK;
    TRY(plan_check_active(p));
    if (!p->training)
        return fail(E_OPTION, "a gradient needs a plan compiled for training");
    TRY(upload(e, plan_address(p, to->gradient[0]), dy, to->type, tensor_count(to->shape)));
done:
    return rc;
}

tensor_shape engine_tensor_shape(const engine_plan *p, int t) { return plan_tensor_at(p, t)->shape; }
