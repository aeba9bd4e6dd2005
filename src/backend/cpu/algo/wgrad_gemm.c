#include "backend/cpu/algo/wgrad_gemm.h"

#include "backend/cpu/algo/conv_algo.h"
#include "backend/parallel_for.h"
#include "base/memory.h"

#include <stdlib.h>

enum { PARTS = 8, CHANNELS = 8 };

/** Splitting by rows reads memory contiguously, which is fastest, but needs one dw per part. It is used for few threads
 *  and if there are many more rows than channels. Otherwise each part computes some rows of dw. */
wgrad_gemm_plan wgrad_gemm_planned(const kernels *set, int threads, size_t m, int k, int c) {
    size_t widest = (size_t)(k > c ? k : c);
    wgrad_gemm_plan p = {.kernels = set, .m = m, .k = k, .c = c, .threads = threads};
    p.by_rows = threads <= PARTS && m >= 4 * widest && m >= (size_t)threads * GEMM_ROWS;
    int groups = (k + CHANNELS - 1) / CHANNELS;
    p.parts = p.by_rows || threads < groups ? threads : groups;
    int part_k = p.by_rows ? k : (groups + p.parts - 1) / p.parts * CHANNELS;
    p.part_bytes = memory_round(set->wgrad_gemm_workspace(part_k, c));
    return p;
}

static size_t dw_bytes(const wgrad_gemm_plan *p) { return memory_round((size_t)p->k * (size_t)p->c * sizeof(float)); }

/** The dw of all parts except the first, then each part's packing buffer. */
size_t wgrad_gemm_plan_workspace(const wgrad_gemm_plan *p) {
    return (p->by_rows ? (size_t)(p->parts - 1) * dw_bytes(p) : 0) + (size_t)p->parts * p->part_bytes;
}

typedef struct wgrad_gemm_call {
    const wgrad_gemm_plan *plan;
    float *dw;
    const uint16_t *dy, *x;
    bool add;
    unsigned char *other_dw, *packing;
} wgrad_gemm_call;

static float *dw_of(const wgrad_gemm_call *t, size_t part) {
    return part == 0 ? t->dw : (float *)(t->other_dw + (part - 1) * dw_bytes(t->plan));
}

static wgrad_gemm_part part_of(const wgrad_gemm_call *t, size_t i) {
    const wgrad_gemm_plan *p = t->plan;
    size_t n = (size_t)p->parts;
    wgrad_gemm_part part = {
        .dw = t->dw, .dy = t->dy, .x = t->x, .k = p->k, .dy_stride = p->k, .c = p->c, .end = p->m, .add = t->add};
    if (p->by_rows) {
        size_t blocks = (p->m + GEMM_ROWS - 1) / GEMM_ROWS, end = blocks * (i + 1) / n * GEMM_ROWS;
        part.begin = blocks * i / n * GEMM_ROWS;
        part.end = end < p->m ? end : p->m;
        part.dw = dw_of(t, i);
        part.add = t->add && i == 0;
    } else {
        size_t groups = ((size_t)p->k + CHANNELS - 1) / CHANNELS, first = groups * i / n * CHANNELS;
        size_t end = groups * (i + 1) / n * CHANNELS;
        part.k = (int)((end < (size_t)p->k ? end : (size_t)p->k) - first);
        part.dw += first * (size_t)p->c;
        part.dy += first;
    }
    return part;
}

static void run_parts(void *context, size_t begin, size_t end) {
    const wgrad_gemm_call *t = context;
    for (size_t i = begin; i < end; i++) {
        wgrad_gemm_part part = part_of(t, i);
        t->plan->kernels->wgrad_gemm(&part, t->packing + i * t->plan->part_bytes);
    }
}

static void add_parts(void *context, size_t begin, size_t end) {
    const wgrad_gemm_call *t = context;
    for (size_t i = 1; i < (size_t)t->plan->parts; i++) {
        const float *dw = dw_of(t, i);
        for (size_t j = begin; j < end; j++)
            t->dw[j] += dw[j];
    }
}

void wgrad_gemm_run(const wgrad_gemm_plan *p, float *dw, const uint16_t *dy, const uint16_t *x, bool add,
                    void *workspace) {
    const size_t in_cache = 4096;
    size_t own = p->by_rows ? (size_t)(p->parts - 1) * dw_bytes(p) : 0;
    wgrad_gemm_call t = {.plan = p, .dy = dy, .x = x, .add = add, .other_dw = workspace};
    t.dw = dw;
    t.packing = t.other_dw + own;
    parallel_for(p->threads, (size_t)p->parts, 1, LOOP_FORWARD, run_parts, &t);
    if (p->by_rows)
        parallel_for(p->threads, (size_t)p->k * (size_t)p->c, in_cache, LOOP_FORWARD, add_parts, &t);
}

/* ---- algorithm ---- */

static bool applicable(const conv_problem *p) {
    const onednn_conv *c = &p->conv;
    return p->kernels->wgrad_gemm != NULL && c->x_type == ELEMENT_BF16 && c->groups == 1 && c->kernel == 1 &&
           c->pad == 0;
}

static int create(void **out, conv_problem *p) {
    const onednn_conv *c = &p->conv;
    size_t m = (size_t)c->y.n * (size_t)c->y.h * (size_t)c->y.w;
    wgrad_gemm_plan plan = wgrad_gemm_planned(p->kernels, p->threads, m, c->y.c, c->x.c);
    return conv_plan_keep(out, &plan, sizeof plan);
}

static size_t workspace(const void *plan) { return wgrad_gemm_plan_workspace(plan); }

static int run(void *plan, const conv_args *a) {
    wgrad_gemm_run(plan, a->dw, a->y, a->x, a->accumulate, a->workspace);
    return 0;
}

const conv_algo conv_wgrad_gemm = {"gemm", applicable, create, workspace, run, free, NULL};
