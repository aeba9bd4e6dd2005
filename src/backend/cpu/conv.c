/* Convolution:
 *
 *     y[n,p,q,k] = sum_{r,s,c} x[n, p*stride+r-pad, q*stride+s-pad, c] * w[k,c,r,s]
 *
 * Each pass uses the first applicable algorithm in the list of algo/conv_algo.c. */
#include "backend/cpu/conv.h"

#include "backend/cpu/algo/conv_algo.h"
#include "backend/cpu/algo/subsample.h"
#include "base/file.h"
#include "base/status.h"

#include <stdlib.h>

typedef struct conv_node {
    conv_run pass[CONV_PASSES]; /* dgrad and wgrad only in training */
    size_t dy_bytes;            /* first part of the workspace: dy converted to bf16, or the sum of two dy */
    subsample_plan subsample;   /* of wgrad; its output precedes wgrad's workspace */
} conv_node;

static void node_destroy(conv_node *n) {
    if (n == NULL)
        return;
    for (int pass = 0; pass < CONV_PASSES; pass++)
        conv_run_destroy(&n->pass[pass]);
    free(n);
}

static size_t workspace_of(const conv_node *n) {
    size_t wgrad = n->subsample.bytes + conv_run_workspace(&n->pass[CONV_WGRAD]);
    size_t backward = n->dy_bytes + memory_larger(wgrad, conv_run_workspace(&n->pass[CONV_DGRAD]));
    return memory_larger(conv_run_workspace(&n->pass[CONV_FORWARD]), backward);
}

static int plan_gradients(conv_node *n, const device_layer *l, conv_problem *p) {
    int rc = OK;
    if (l->dy_n > 1 || p->conv.y_type != p->conv.x_type)
        n->dy_bytes = memory_round(tensor_count(l->y) * element_bytes(p->conv.x_type));
    if (l->dx_needed)
        TRY(conv_run_create(&n->pass[CONV_DGRAD], p, CONV_DGRAD));
    n->subsample = subsample_planned(&p->conv, p->threads);
    p->onednn_fails = onednn_row_too_wide(&p->conv, ONEDNN_WGRAD);
    TRY(conv_run_create(&n->pass[CONV_WGRAD], p, CONV_WGRAD));
done:
    return rc;
}

int conv_layer_plan(cpu_device *d, device_layer *l, const onednn_conv *c) {
    int rc = OK;
    conv_node *n = NULL;
    conv_problem p = {.conv = *c,
                      .winograd = d->options.winograd,
                      .x_streams = cpu_streams(d, l->x),
                      .y_streams = cpu_streams(d, l->y),
                      .level = d->level,
                      .kernels = d->kernels,
                      .threads = d->threads,
                      .onednn = d->onednn,
                      .packed = &d->packed,
                      .weight = l->layer->weight};
    TRY(memory_zeroed(&n, 1, sizeof *n));
    TRY(conv_run_create(&n->pass[CONV_FORWARD], &p, CONV_FORWARD));
    if (l->training)
        TRY(plan_gradients(n, l, &p));
    l->workspace_bytes = workspace_of(n);
    l->node = n;
    n = NULL;
done:
    node_destroy(n);
    return rc;
}

int cpu_conv_plan(void *device, device_layer *l) {
    cpu_device *d = device;
    const layer *t = l->layer;
    element type = d->bf16 ? ELEMENT_BF16 : ELEMENT_F32;
    onednn_conv c = {.name = t->name,
                     .x = l->x,
                     .y = l->y,
                     .kernel = t->kernel,
                     .stride = t->stride,
                     .pad = t->pad,
                     .groups = t->groups > 0 ? t->groups : 1,
                     .x_type = type,
                     .y_type = type,
                     .training = l->training};
    return conv_layer_plan(d, l, &c);
}

void cpu_conv_destroy(void *device, device_layer *l) {
    (void)device;
    node_destroy(l->node);
    l->node = NULL;
}

void cpu_conv_algorithm(engine_algorithm *out, const device_layer *l, engine_pass pass) {
    static const conv_pass of[ENGINE_PASSES] = {
        [PASS_FORWARD] = CONV_FORWARD, [PASS_BACKWARD] = CONV_DGRAD, [PASS_WGRAD] = CONV_WGRAD};
    conv_run_describe(out, &((const conv_node *)l->node)->pass[of[pass]]);
}

static int run(const conv_run *r, const conv_args *a) { return r->algo->run(r->plan, a); }

int cpu_conv_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p) {
    (void)device;
    const conv_node *n = l->node;
    return run(&n->pass[CONV_FORWARD], &(conv_args){.x = (void *)args->x,
                                                    .y = args->y,
                                                    .weight = p->weight,
                                                    .version = p->version,
                                                    .workspace = args->workspace});
}

static int wgrad(const conv_node *n, conv_args a) {
    if (n->subsample.bytes > 0) {
        void *x = a.workspace;
        subsample_run(&n->subsample, x, a.x);
        a.x = x;
        a.workspace = (unsigned char *)x + n->subsample.bytes;
    }
    return run(&n->pass[CONV_WGRAD], &a);
}

int conv_layer_backward(const device_layer *l, const conv_backward_args *args, const void *dy, const device_params *p) {
    const conv_node *n = l->node;
    int rc = OK;
    conv_args a = {.x = (void *)args->x,
                   .y = (void *)dy,
                   .weight = p->weight,
                   .version = p->version,
                   .dw = p->dweight,
                   .accumulate = p->accumulate,
                   .workspace = (unsigned char *)args->workspace + n->dy_bytes};
    double start = p->wgrad_seconds != NULL ? clock_seconds() : 0;
    TRY(wgrad(n, a));
    if (p->wgrad_seconds != NULL)
        *p->wgrad_seconds += clock_seconds() - start;
    a.x = args->dx;
    if (l->dx_needed)
        TRY(run(&n->pass[CONV_DGRAD], &a));
done:
    return rc;
}

typedef struct sum_task {
    const cpu_device *device;
    const conv_backward_args *args;
} sum_task;

/** workspace = dy[0] + dy[1], computed by the BN kernel with factor 1. */
static void add_gradients(void *context, size_t begin, size_t end) {
    const sum_task *t = context;
    const float factor[2] = {1, 0};
    const conv_backward_args *args = t->args;
    t->device->kernels->bn_apply(args->workspace, NULL, args->dy[0], args->dy[1], factor, false,
                                 (bn_range){begin, end, 1, t->device->bf16, false});
}

int cpu_conv_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p) {
    const cpu_device *d = device;
    sum_task t = {d, args};
    if (l->dy_n < 2)
        return conv_layer_backward(l, args, args->dy[0], p);
    parallel_for(d->threads, tensor_count(l->y), SIZE_MAX, LOOP_FORWARD, add_gradients, &t);
    return conv_layer_backward(l, args, args->workspace, p);
}
