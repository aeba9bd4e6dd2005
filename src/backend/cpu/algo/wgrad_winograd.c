#include "backend/cpu/algo/wgrad_winograd.h"

#include "backend/cpu/algo/native_conv.h"
#include "backend/parallel_for.h"
#include "base/memory.h"

#include <stdlib.h>

enum { CHANNELS = 16 /* granularity of the kernel */, PART_CHANNELS = 64 /* minimum, to amortise x's transform */ };

/** Number of words: tiles of dy; in bf16 a word holds the tiles of two images. */
static size_t words_of(const conv_shape *s, bool bf16) {
    size_t images = bf16 ? ((size_t)s->y.n + 1) / 2 : (size_t)s->y.n;
    return images * (size_t)((s->y.h + 1) / 2) * (size_t)((s->y.w + 1) / 2);
}

wgrad_winograd_plan wgrad_winograd_planned(const conv_kernels *k, int threads, const conv_shape *s, bool bf16) {
    wgrad_winograd_plan p = {.kernels = k, .shape = *s, .bf16 = bf16, .threads = threads};
    int most = s->y.c > PART_CHANNELS ? s->y.c / PART_CHANNELS : 1, groups = s->y.c / CHANNELS;
    p.k_parts = threads < most ? threads : most;
    p.word_parts = (threads + p.k_parts - 1) / p.k_parts;
    if ((size_t)p.word_parts > words_of(s, bf16)) /* a part without words would not write its sums */
        p.word_parts = (int)words_of(s, bf16);
    p.sums_bytes =
        memory_round((size_t)p.word_parts * WINOGRAD_TILE_ELEMENTS * (size_t)s->x.c * (size_t)s->y.c * sizeof(float));
    int part_k = (groups + p.k_parts - 1) / p.k_parts * CHANNELS;
    p.part_bytes = memory_round(k->wgrad_workspace(s, part_k));
    return p;
}

static size_t parts_of(const wgrad_winograd_plan *p) { return (size_t)p->k_parts * (size_t)p->word_parts; }

size_t wgrad_winograd_workspace(const wgrad_winograd_plan *p) { return p->sums_bytes + parts_of(p) * p->part_bytes; }

typedef struct dw_call {
    const wgrad_winograd_plan *plan;
    float *dw;
    const void *dy, *x;
    bool add;
    float *sums;
    unsigned char *parts;
} dw_call;

static void run_parts(void *context, size_t begin, size_t end) {
    const dw_call *t = context;
    const wgrad_winograd_plan *p = t->plan;
    const conv_shape *s = &p->shape;
    size_t c = (size_t)s->x.c, k = (size_t)s->y.c, groups = k / CHANNELS, bytes = p->bf16 ? 2 : sizeof(float);
    size_t words = words_of(s, p->bf16);
    for (size_t i = begin; i < end; i++) {
        size_t kp = i % (size_t)p->k_parts, wp = i / (size_t)p->k_parts;
        size_t first = groups * kp / (size_t)p->k_parts * CHANNELS,
               last = groups * (kp + 1) / (size_t)p->k_parts * CHANNELS;
        wgrad_winograd_part part = {.shape = s,
                                    .dy = (const char *)t->dy + first * bytes,
                                    .x = t->x,
                                    .k = (int)(last - first),
                                    .begin = words * wp / (size_t)p->word_parts,
                                    .end = words * (wp + 1) / (size_t)p->word_parts,
                                    .bf16 = p->bf16};
        part.sums = t->sums + wp * WINOGRAD_TILE_ELEMENTS * k * c + first * c;
        p->kernels->wgrad(&part, t->parts + i * p->part_bytes);
    }
}

static void transform_back(void *context, size_t begin, size_t end) {
    const dw_call *t = context;
    const wgrad_winograd_plan *p = t->plan;
    wgrad_winograd_sums back = {.sums = t->sums,
                                .parts = p->word_parts,
                                .k = p->shape.y.c,
                                .c = p->shape.x.c,
                                .begin = begin,
                                .end = end,
                                .add = t->add};
    back.dw = t->dw;
    p->kernels->wgrad_inverse(&back);
}

void wgrad_winograd_run(const wgrad_winograd_plan *p, float *dw, const void *dy, const void *x, bool add,
                        void *workspace) {
    dw_call t = {.plan = p, .dy = dy, .x = x, .add = add, .sums = workspace};
    t.dw = dw;
    t.parts = (unsigned char *)workspace + p->sums_bytes;
    parallel_for(p->threads, parts_of(p), 1, LOOP_FORWARD, run_parts, &t);
    parallel_for(p->threads, (size_t)p->shape.y.c, 8, LOOP_FORWARD, transform_back, &t);
}

/* ---- algorithm ---- */

static int create(void **out, conv_problem *p) {
    const onednn_conv *c = &p->conv;
    conv_shape s = {c->x, c->y, c->kernel, c->stride, c->pad};
    wgrad_winograd_plan plan =
        wgrad_winograd_planned(p->kernels->winograd_2d, p->threads, &s, c->x_type == ELEMENT_BF16);
    return conv_plan_keep(out, &plan, sizeof plan);
}

static size_t workspace(const void *plan) { return wgrad_winograd_workspace(plan); }

static int run(void *plan, const conv_args *a) {
    wgrad_winograd_run(plan, a->dw, a->y, a->x, a->accumulate, a->workspace);
    return 0;
}

const conv_algo conv_wgrad_winograd_2d = {"winograd_2d", winograd_2d_applicable, create, workspace, run, free, NULL};
