/* Finding, measuring and running a convolution. */
#include "backend/cuda/cudnn_conv.h"

#include "backend/cuda/backend.h"
#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct convolution {
    char key[CHOICE_KEY];
    bool estimate; /* the candidate was not measured */
    convolution_pass pass;
    operation_graph graph;
    cudnnBackendDescriptor_t candidate, plan;
    long long engine; /* cuDNN's engine number */
    size_t workspace;
    double microseconds; /* infinite: not measured */
};

static const char *const passes[] = {
    [CONVOLUTION_FORWARD] = "forward",
    [CONVOLUTION_DGRAD] = "data",
    [CONVOLUTION_WGRAD] = "weights",
    [CONVOLUTION_STATISTICS] = "statistics",
    [CONVOLUTION_SCALED_FORWARD] = "scaled",
    [CONVOLUTION_SCALED_STATISTICS] = "scaled-statistics",
    [CONVOLUTION_SCALED_WEIGHTS] = "scaled-weights",
    [CONVOLUTION_DATA_SUMS] = "data-sums",
};
static const size_t largest_workspace = (size_t)1 << 30;

void convolution_key(char key[CHOICE_KEY], const cuda_device *d, const convolution_shape *s, const char *what,
                     element result) {
    static const char *const types[] = {"f64", "f32", "bf16", "f16"};
    snprintf(key, CHOICE_KEY, "%s-%s%s-%s-n%d-%dx%dx%d-%dx%dx%d-k%d-s%d-p%d-g%d", what, types[s->type],
             s->type == ELEMENT_F32 && d->options.tf32 ? "tf32" : "", types[result], s->x.n, s->x.h, s->x.w, s->x.c,
             s->y.h, s->y.w, s->y.c, s->kernel, s->stride, s->pad, s->groups);
}

void convolution_destroy(const cuda_device *d, convolution *c) {
    if (c == NULL)
        return;
    backend_destroy(d, &c->plan);
    backend_destroy(d, &c->candidate);
    graph_close(&c->graph, d);
    free(c);
}

void convolution_describe(engine_algorithm *out, const convolution *c) {
    bool fused = c->pass > CONVOLUTION_WGRAD;
    snprintf(out->name, sizeof out->name, "cudnn%s%s", fused ? " " : "", fused ? passes[c->pass] : "");
    snprintf(out->implementation, sizeof out->implementation, "engine %lld", c->engine);
}

size_t convolution_workspace(const convolution *c) { return c->workspace; }
bool convolution_scales(const convolution *c) { return graph_has(c->pass, TENSOR_SCALE); }
double convolution_microseconds(const convolution *c) { return c->microseconds; }

static int execute(const cuda_device *d, cudnnBackendDescriptor_t plan, convolution_pass pass,
                   const void *const tensor[TENSORS], void *workspace) {
    int64_t uid[TENSORS];
    const void *pointer[TENSORS];
    cudnnBackendDescriptor_t pack = NULL;
    int n = 0, rc = OK;
    for (int t = 0; t < TENSORS; t++)
        if (graph_has(pass, (convolution_tensor)t)) {
            uid[n] = t + 1;
            pointer[n++] = tensor[t];
        }
    TRY(backend_create(&pack, d, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR));
    TRY(backend_set(d, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, uid));
    TRY(backend_set(d, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, pointer));
    TRY(backend_set(d, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace));
    TRY(backend_finalize(d, pack));
    TRY(CUDNN(d->cudnn, "running a convolution", execute, d->handle, plan, pack));
done:
    backend_destroy(d, &pack);
    return rc;
}

int convolution_run(const cuda_device *d, const convolution *c, const void *const tensor[TENSORS], void *workspace) {
    return execute(d, c->plan, c->pass, tensor, workspace);
}

/* ---- measuring ---- */

enum { TRIAL_WORKSPACE = TENSORS, TRIAL_BLOCKS };

/** Memory for measurements. */
typedef struct trial {
    void *memory[TRIAL_BLOCKS]; /* the tensors, workspace */
    size_t bytes[TRIAL_BLOCKS];
    const cuda_device *device;
    convolution_pass pass;
    cudnnBackendDescriptor_t plan; /* under test */
} trial;

static void trial_close(trial *t, cuda_device *d) {
    for (int i = 0; i < TRIAL_BLOCKS; i++)
        if (t->memory[i] != NULL)
            gpu_release(d, t->memory[i], t->bytes[i]);
}

static int trial_open(trial *t, cuda_device *d, const convolution_shape *s, convolution_pass pass) {
    int rc = OK;
    *t = (trial){.device = d, .pass = pass};
    for (int i = 0; i < TENSORS; i++) {
        element type = s->type;
        tensor_shape shape = graph_tensor(&type, s, pass, (convolution_tensor)i);
        t->bytes[i] = tensor_count(shape) * element_bytes(type);
        if (graph_has(pass, (convolution_tensor)i))
            TRY(gpu_allocate(&t->memory[i], d, t->bytes[i]));
    }
done:
    return rc;
}

static int trial_workspace(trial *t, cuda_device *d, size_t bytes) {
    int rc = OK;
    void **memory = &t->memory[TRIAL_WORKSPACE];
    size_t *had = &t->bytes[TRIAL_WORKSPACE];
    if (bytes <= *had)
        return OK;
    if (*memory != NULL)
        gpu_release(d, *memory, *had);
    *memory = NULL;
    *had = 0;
    TRY(gpu_allocate(memory, d, bytes));
    *had = bytes;
done:
    return rc;
}

static int queue_trial(void *what) {
    trial *t = what;
    return execute(t->device, t->plan, t->pass, (const void *const *)t->memory, t->memory[TRIAL_WORKSPACE]);
}

static int measure(double *microseconds, trial *t, cuda_device *d, cudnnBackendDescriptor_t plan, size_t workspace) {
    int rc = OK;
    t->plan = plan;
    TRY(trial_workspace(t, d, workspace));
    TRY(gpu_time(microseconds, d, queue_trial, t));
done:
    return rc;
}

/** Candidates with their engine numbers. */
typedef struct suggestions {
    cudnnBackendDescriptor_t candidate[CANDIDATES];
    long long engine[CANDIDATES];
    int n;
} suggestions;

/** Moves candidate i to the convolution and creates its execution plan. */
static int take(convolution *c, suggestions *s, const cuda_device *d, int i) {
    size_t workspace = 0;
    int rc = OK;
    TRY(plan_open(&c->plan, &workspace, d, s->candidate[i]));
    if (workspace > largest_workspace) {
        backend_destroy(d, &c->plan);
        rc = fail(E_UNSUPPORTED, "the cuDNN engine needs too much workspace");
        goto done;
    }
    c->workspace = workspace;
    c->candidate = s->candidate[i];
    c->engine = s->engine[i];
    s->candidate[i] = NULL; /* now owned by the convolution */
done:
    return rc;
}

/** Takes the first candidate for which an execution plan can be created. */
static int take_first(convolution *c, suggestions *s, const cuda_device *d) {
    int rc = fail(E_UNSUPPORTED, "cuDNN has no engine for this convolution");
    for (int i = 0; i < s->n && rc != OK; i++)
        rc = take(c, s, d, i);
    return rc;
}

/** Measures all candidates and caches the fastest. *best is -1 if none could be measured, for example if memory is
 *  short. */
static int fastest(int *best, cuda_device *d, const convolution_shape *shape, convolution_pass pass,
                   const suggestions *s, const char *key) {
    trial t = {0};
    choice found = {.candidate = -1, .microseconds = INFINITY};
    int rc = OK;
    *best = -1;
    TRY(trial_open(&t, d, shape, pass));
    for (int i = 0; i < s->n; i++) {
        cudnnBackendDescriptor_t plan = NULL;
        size_t workspace = 0;
        double microseconds = INFINITY;
        if (plan_open(&plan, &workspace, d, s->candidate[i]) != OK)
            continue;
        bool done = workspace <= largest_workspace && measure(&microseconds, &t, d, plan, workspace) == OK;
        backend_destroy(d, &plan);
        if (done && microseconds < found.microseconds) {
            found.candidate = i;
            found.engine = s->engine[i];
            found.microseconds = microseconds;
        }
    }
    *best = found.candidate;
    snprintf(found.key, sizeof found.key, "%s", key);
    if (*best >= 0)
        rc = autotune_cache_add(&d->autotune, &found);
done:
    trial_close(&t, d);
    return rc == E_NOMEM ? OK : rc;
}

static int choose(convolution *c, cuda_device *d, const convolution_shape *shape, convolution_pass pass,
                  suggestions *s) {
    const choice *known = autotune_cache_find(&d->autotune, c->key);
    int best = -1, rc = OK;
    if (known != NULL && known->candidate < s->n && s->engine[known->candidate] == known->engine)
        best = known->candidate;
    else if (!shape->estimate)
        TRY(fastest(&best, d, shape, pass, s, c->key));
    c->estimate = best < 0;
    if (best >= 0 && take(c, s, d, best) == OK) {
        known = autotune_cache_find(&d->autotune, c->key); /* the list may have been reallocated */
        c->microseconds = known->microseconds;
        return OK;
    }
    rc = take_first(c, s, d);
done:
    return rc;
}

static int create(convolution **out, cuda_device *d, const convolution_shape *shape, convolution_pass pass,
                  const char *key) {
    convolution *c = NULL;
    suggestions s = {.n = 0};
    int rc = OK;
    TRY(memory_zeroed(&c, 1, sizeof *c));
    snprintf(c->key, sizeof c->key, "%s", key);
    c->microseconds = INFINITY;
    c->pass = pass;
    TRY(graph_open(&c->graph, d, shape, pass));
    TRY(graph_candidates(s.candidate, s.engine, &s.n, d, &c->graph));
    TRY(choose(c, d, shape, pass, &s));
    *out = c;
    c = NULL; /* now owned by the caller */
done:
    for (int i = 0; i < s.n; i++)
        backend_destroy(d, &s.candidate[i]);
    convolution_destroy(d, c);
    return rc;
}

int convolution_find(convolution **out, cuda_device *d, const convolution_shape *s, convolution_pass pass) {
    char key[CHOICE_KEY];
    int rc = OK;
    element result = s->type;
    graph_tensor(&result, s, pass, TENSOR_W);
    convolution_key(key, d, s, passes[pass], result);
    for (int i = 0; i < d->convolution_n; i++) {
        *out = d->convolution[i];
        if (strcmp((*out)->key, key) == 0 && (s->estimate || !(*out)->estimate))
            return OK;
    }
    TRY(memory_resize(&d->convolution, (size_t)d->convolution_n + 1, sizeof *d->convolution));
    TRY(create(out, d, s, pass, key));
    d->convolution[d->convolution_n++] = *out; /* now owned by the device */
done:
    return rc;
}
