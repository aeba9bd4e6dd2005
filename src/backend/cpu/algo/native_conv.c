#include "backend/cpu/algo/native_conv.h"

#include "backend/parallel_for.h"
#include "base/memory.h"

#include <stdlib.h>

enum {
    CHANNELS = 32,
    GEMM_KERNEL_MAX = 3,
    TILES_MIN = 96 /* of 2x2 */,
    USUAL_BATCH = 32 /* images, assumed in evaluation */
};

/** A prediction must not depend on the batch that contains the image, so in evaluation the choice does not either. */
static bool suits(const conv_problem *p, int kernel) {
    const onednn_conv *c = &p->conv;
    size_t images = c->training ? (size_t)c->y.n : USUAL_BATCH;
    return c->kernel == kernel && c->stride == 1 && c->pad == kernel / 2 && c->groups == 1 && c->y_type == c->x_type &&
           c->x.c % CHANNELS == 0 && c->y.c % CHANNELS == 0 &&
           images * (size_t)((c->y.h + 1) / 2) * (size_t)((c->y.w + 1) / 2) >= TILES_MIN;
}

static bool suits_bf16(const conv_problem *p, int kernel) {
    return p->conv.x_type == ELEMENT_BF16 && (p->conv.training || p->winograd) && p->level != CPU_AMX &&
           suits(p, kernel);
}

bool winograd_2d_applicable(const conv_problem *p) {
    if (p->kernels->winograd_2d == NULL)
        return false;
    if (p->conv.x_type == ELEMENT_BF16)
        return p->winograd && p->kernels->winograd_1d != NULL && suits_bf16(p, 3);
    return suits(p, 3);
}

static bool winograd_1d_applicable(const conv_problem *p) {
    return p->kernels->winograd_1d != NULL && suits_bf16(p, 3);
}

static bool pointwise_applicable(const conv_problem *p) { return p->kernels->pointwise != NULL && suits_bf16(p, 1); }

/** oneDNN is as fast for 1x1 without a stride (bench/results). The batch does not matter: evaluation's choice must not
 *  depend on it. */
static bool implicit_gemm_applicable(const conv_problem *p) {
    const onednn_conv *c = &p->conv;
    return p->kernels->implicit_gemm != NULL && c->x_type == ELEMENT_F32 && c->y_type == ELEMENT_F32 &&
           c->groups == 1 && c->kernel <= GEMM_KERNEL_MAX && (c->kernel > 1 || c->stride > 1) &&
           c->x.c % CHANNELS == 0 && c->y.c % CHANNELS == 0;
}

native_conv_plan native_conv_planned(const conv_kernels *k, int threads, const conv_shape *s, bool bf16, bool gradient,
                                     bool stream) {
    native_conv_plan p = {
        .kernels = k, .shape = *s, .bf16 = bf16, .gradient = gradient, .stream = stream, .threads = threads};
    if (gradient) {
        p.shape.x = s->y;
        p.shape.y = s->x;
    }
    p.weights_bytes = memory_round(k->weights_bytes(&p.shape, bf16));
    p.part_bytes = memory_round(k->workspace(&p.shape, bf16));
    return p;
}

size_t native_conv_workspace(const native_conv_plan *p) {
    return p->weights_bytes + (size_t)p->threads * p->part_bytes;
}

typedef struct native_conv_call {
    const native_conv_plan *plan;
    void *y;
    const void *x;
    const float *w;
    unsigned char *weights, *parts;
} native_conv_call;

/** Transforms panels [begin, end) of the weights. */
static void transform_weights(void *context, size_t begin, size_t end) {
    const native_conv_call *t = context;
    const native_conv_plan *p = t->plan;
    conv_weights_part part = {.w = t->w,
                              .in_c = p->shape.x.c,
                              .out_c = p->shape.y.c,
                              .kernel = p->shape.kernel,
                              .begin = begin,
                              .end = end,
                              .gradient = p->gradient,
                              .bf16 = p->bf16};
    part.v = t->weights;
    p->kernels->weights(&part);
}

static void run_parts(void *context, size_t begin, size_t end) {
    const native_conv_call *t = context;
    const native_conv_plan *p = t->plan;
    size_t all = p->kernels->parts(&p->shape), group = (size_t)p->kernels->group, groups = (all + group - 1) / group;
    for (size_t i = begin; i < end; i++) {
        size_t last = groups * (i + 1) / (size_t)p->threads * group;
        conv_part part = {.shape = &p->shape,
                          .x = t->x,
                          .v = t->weights,
                          .begin = groups * i / (size_t)p->threads * group,
                          .end = last < all ? last : all,
                          .gradient = p->gradient,
                          .bf16 = p->bf16,
                          .stream = p->stream};
        part.y = t->y;
        p->kernels->run(&part, t->parts + i * p->part_bytes);
    }
}

void native_conv_run(const native_conv_plan *p, void *y, const void *x, const float *w, void *workspace) {
    native_conv_call t = {.plan = p, .x = x, .w = w, .weights = workspace};
    t.y = y;
    t.parts = t.weights + p->weights_bytes;
    parallel_for(p->threads, (size_t)(p->shape.y.c / p->kernels->panel), 1, LOOP_FORWARD, transform_weights, &t);
    parallel_for(p->threads, (size_t)p->threads, 1, LOOP_FORWARD, run_parts, &t);
}

/* ---- algorithms ---- */

static int create(void **out, const conv_problem *p, const conv_kernels *k, bool gradient) {
    const onednn_conv *c = &p->conv;
    conv_shape s = {c->x, c->y, c->kernel, c->stride, c->pad};
    native_conv_plan plan = native_conv_planned(k, p->threads, &s, c->x_type == ELEMENT_BF16, gradient,
                                                gradient ? p->x_streams : p->y_streams);
    return conv_plan_keep(out, &plan, sizeof plan);
}

static int forward_winograd_2d(void **out, conv_problem *p) { return create(out, p, p->kernels->winograd_2d, false); }
static int forward_winograd_1d(void **out, conv_problem *p) { return create(out, p, p->kernels->winograd_1d, false); }
static int forward_pointwise(void **out, conv_problem *p) { return create(out, p, p->kernels->pointwise, false); }
static int dgrad_winograd_2d(void **out, conv_problem *p) { return create(out, p, p->kernels->winograd_2d, true); }
static int dgrad_winograd_1d(void **out, conv_problem *p) { return create(out, p, p->kernels->winograd_1d, true); }
static int forward_implicit_gemm(void **out, conv_problem *p) {
    return create(out, p, p->kernels->implicit_gemm, false);
}
static int dgrad_implicit_gemm(void **out, conv_problem *p) { return create(out, p, p->kernels->implicit_gemm, true); }
static int dgrad_pointwise(void **out, conv_problem *p) { return create(out, p, p->kernels->pointwise, true); }

static size_t workspace(const void *plan) { return native_conv_workspace(plan); }

static int forward_run(void *plan, const conv_args *a) {
    native_conv_run(plan, a->y, a->x, a->weight, a->workspace);
    return 0;
}

static int dgrad_run(void *plan, const conv_args *a) {
    native_conv_run(plan, a->x, a->y, a->weight, a->workspace);
    return 0;
}

const conv_algo conv_forward_winograd_2d = {
    "winograd_2d", winograd_2d_applicable, forward_winograd_2d, workspace, forward_run, free, NULL};
const conv_algo conv_forward_winograd_1d = {
    "winograd_1d", winograd_1d_applicable, forward_winograd_1d, workspace, forward_run, free, NULL};
const conv_algo conv_forward_pointwise = {
    "pointwise", pointwise_applicable, forward_pointwise, workspace, forward_run, free, NULL};
const conv_algo conv_dgrad_winograd_2d = {
    "winograd_2d", winograd_2d_applicable, dgrad_winograd_2d, workspace, dgrad_run, free, NULL};
const conv_algo conv_dgrad_winograd_1d = {
    "winograd_1d", winograd_1d_applicable, dgrad_winograd_1d, workspace, dgrad_run, free, NULL};
const conv_algo conv_dgrad_pointwise = {"pointwise", pointwise_applicable, dgrad_pointwise, workspace, dgrad_run, free,
                                        NULL};
const conv_algo conv_forward_implicit_gemm = {
    "implicit_gemm", implicit_gemm_applicable, forward_implicit_gemm, workspace, forward_run, free, NULL};
const conv_algo conv_dgrad_implicit_gemm = {
    "implicit_gemm", implicit_gemm_applicable, dgrad_implicit_gemm, workspace, dgrad_run, free, NULL};
