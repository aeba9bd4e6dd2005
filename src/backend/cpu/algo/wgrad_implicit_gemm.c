#include "backend/cpu/algo/wgrad_implicit_gemm.h"

#include "backend/cpu/algo/conv_algo.h"
#include "backend/parallel_for.h"
#include "base/memory.h"

#include <stdlib.h>

enum { PARTS = 8, CHANNELS = 8, CHANNELS_MIN = 16, KERNEL_MAX = 3 };

static size_t pixels_of(const conv_shape *s) { return (size_t)s->y.n * (size_t)s->y.h * (size_t)s->y.w; }

static size_t taps_of(const conv_shape *s) { return (size_t)s->kernel * (size_t)s->kernel; }

/** Splitting by pixels packs each pixel once, but needs one dw per part. It is used for few threads and if there are
 * many more pixels than channels. Otherwise each part computes some rows of dw. */
wgrad_implicit_gemm_plan wgrad_implicit_gemm_planned(const wgrad_implicit_gemm_kernels *set, int threads,
                                                     const conv_shape *s) {
    wgrad_implicit_gemm_plan p = {.kernels = set, .shape = *s, .threads = threads};
    size_t widest = (size_t)(s->y.c > s->x.c ? s->y.c : s->x.c), pixels = pixels_of(s);
    p.by_pixels = threads <= PARTS && pixels >= 4 * widest && pixels >= (size_t)threads * GEMM_ROWS;
    int groups = (s->y.c + CHANNELS - 1) / CHANNELS;
    p.parts = p.by_pixels || threads < groups ? threads : groups;
    int part_k = p.by_pixels ? s->y.c : (groups + p.parts - 1) / p.parts * CHANNELS;
    p.part_bytes = memory_round(set->workspace(part_k, s->x.c));
    p.dw_bytes = memory_round(taps_of(s) * (size_t)s->y.c * (size_t)s->x.c * sizeof(float));
    return p;
}

/** How many dw are in the workspace. With one tap, the first is the result itself. */
static size_t dw_count(const wgrad_implicit_gemm_plan *p) {
    return (p->by_pixels ? (size_t)p->parts : 1) - (taps_of(&p->shape) == 1);
}

size_t wgrad_implicit_gemm_workspace(const wgrad_implicit_gemm_plan *p) {
    return dw_count(p) * p->dw_bytes + (size_t)p->parts * p->part_bytes;
}

typedef struct wgrad_call {
    const wgrad_implicit_gemm_plan *plan;
    float *dw;
    const float *dy, *x;
    bool add;
    unsigned char *part_dw, *packing;
} wgrad_call;

static float *dw_of(const wgrad_call *t, size_t part) {
    if (taps_of(&t->plan->shape) > 1)
        return (float *)(void *)(t->part_dw + part * t->plan->dw_bytes);
    return part == 0 ? t->dw : (float *)(void *)(t->part_dw + (part - 1) * t->plan->dw_bytes);
}

static wgrad_implicit_gemm_part part_of(const wgrad_call *t, size_t i) {
    const wgrad_implicit_gemm_plan *p = t->plan;
    size_t n = (size_t)p->parts, pixels = pixels_of(&p->shape), k = (size_t)p->shape.y.c;
    wgrad_implicit_gemm_part part = {.shape = &p->shape, .dy = t->dy, .x = t->x, .k = p->shape.y.c, .end = pixels};
    part.dw = dw_of(t, p->by_pixels ? i : 0);
    part.add = t->add && part.dw == t->dw;
    if (p->by_pixels) {
        size_t blocks = (pixels + GEMM_ROWS - 1) / GEMM_ROWS, end = blocks * (i + 1) / n * GEMM_ROWS;
        part.begin = blocks * i / n * GEMM_ROWS;
        part.end = end < pixels ? end : pixels;
    } else {
        size_t groups = (k + CHANNELS - 1) / CHANNELS, first = groups * i / n * CHANNELS;
        size_t end = groups * (i + 1) / n * CHANNELS;
        part.k = (int)((end < k ? end : k) - first);
        part.dw += first * (size_t)p->shape.x.c;
        part.dy += first;
    }
    return part;
}

static void run_parts(void *context, size_t begin, size_t end) {
    const wgrad_call *t = context;
    for (size_t i = begin; i < end; i++) {
        wgrad_implicit_gemm_part part = part_of(t, i);
        t->plan->kernels->run(&part, t->packing + i * t->plan->part_bytes);
    }
}

/** Rows [begin, end) of dw from those of the parts, in the order of the parts. */
static void add_parts(void *context, size_t begin, size_t end) {
    const wgrad_call *t = context;
    const wgrad_implicit_gemm_plan *p = t->plan;
    size_t taps = taps_of(&p->shape), c = (size_t)p->shape.x.c, k = (size_t)p->shape.y.c;
    size_t parts = p->by_pixels ? (size_t)p->parts : 1;
    for (size_t i = begin; i < end; i++)
        for (size_t part = 0; part < parts; part++) {
            const float *from = dw_of(t, part);
            if (from == t->dw)
                continue;
            bool add = part > 0 || t->add;
            for (size_t tap = 0; tap < taps; tap++)
                for (size_t j = 0; j < c; j++) {
                    float *dw = t->dw + (i * c + j) * taps + tap;
                    *dw = (add ? *dw : 0) + from[(tap * k + i) * c + j];
                }
        }
}

void wgrad_implicit_gemm_run(const wgrad_implicit_gemm_plan *p, float *dw, const float *dy, const float *x, bool add,
                             void *workspace) {
    wgrad_call t = {.plan = p, .dy = dy, .x = x, .add = add, .part_dw = workspace};
    t.dw = dw;
    t.packing = t.part_dw + dw_count(p) * p->dw_bytes;
    parallel_for(p->threads, (size_t)p->parts, 1, LOOP_FORWARD, run_parts, &t);
    if (dw_count(p) > 0)
        parallel_for(p->threads, (size_t)p->shape.y.c, 1, LOOP_FORWARD, add_parts, &t);
}

/* ---- algorithm ---- */

static bool applicable(const conv_problem *p) {
    const onednn_conv *c = &p->conv;
    return p->kernels->wgrad_implicit_gemm != NULL && c->x_type == ELEMENT_F32 && c->groups == 1 &&
           c->kernel <= KERNEL_MAX && c->x.c >= CHANNELS_MIN;
}

static int create(void **out, conv_problem *p) {
    const onednn_conv *c = &p->conv;
    conv_shape s = {c->x, c->y, c->kernel, c->stride, c->pad};
    wgrad_implicit_gemm_plan plan = wgrad_implicit_gemm_planned(p->kernels->wgrad_implicit_gemm, p->threads, &s);
    return conv_plan_keep(out, &plan, sizeof plan);
}

static size_t workspace(const void *plan) { return wgrad_implicit_gemm_workspace(plan); }

static int run(void *plan, const conv_args *a) {
    wgrad_implicit_gemm_run(plan, a->dw, a->y, a->x, a->accumulate, a->workspace);
    return 0;
}

const conv_algo conv_wgrad_implicit_gemm = {"implicit_gemm", applicable, create, workspace, run, free, NULL};
