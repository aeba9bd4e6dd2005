#include "backend/cpu/algo/own_conv.h"

#include "backend/parallel_for.h"
#include "base/memory.h"

enum { CHANNELS = 32, TILES_MIN = 96 /* of 2x2 */ };

const conv_kernels *own_conv_for(const kernels *set, const conv_shape *s, bool bf16, bool square) {
    size_t tiles = (size_t)s->y.n * (size_t)((s->y.h + 1) / 2) * (size_t)((s->y.w + 1) / 2);
    if (s->stride != 1 || s->pad != s->kernel / 2 || s->x.c % CHANNELS != 0 || s->y.c % CHANNELS != 0 ||
        tiles < TILES_MIN)
        return NULL;
    if (s->kernel == 1)
        return bf16 ? set->pointwise : NULL;
    if (s->kernel != 3 || (bf16 && set->line == NULL))
        return NULL;
    return bf16 && !square ? set->line : set->square;
}

own_conv_plan own_conv_planned(const conv_kernels *k, int threads, const conv_shape *s, bool bf16, bool gradient,
                               bool stream) {
    own_conv_plan p = {
        .kernels = k, .shape = *s, .bf16 = bf16, .gradient = gradient, .stream = stream, .threads = threads};
    if (gradient) {
        p.shape.x = s->y;
        p.shape.y = s->x;
    }
    p.weights_bytes = memory_round(k->weights_bytes(&p.shape, bf16));
    p.part_bytes = memory_round(k->scratch(&p.shape, bf16));
    return p;
}

size_t own_conv_scratch(const own_conv_plan *p) { return p->weights_bytes + (size_t)p->threads * p->part_bytes; }

typedef struct own_conv_call {
    const own_conv_plan *plan;
    void *y;
    const void *x;
    const float *w;
    unsigned char *weights, *parts;
} own_conv_call;

/** Panels [begin, end) of the weights. */
static void transform_weights(void *context, size_t begin, size_t end) {
    const own_conv_call *t = context;
    const own_conv_plan *p = t->plan;
    conv_weights_part part = {.w = t->w,
                              .in_c = p->shape.x.c,
                              .out_c = p->shape.y.c,
                              .begin = begin,
                              .end = end,
                              .gradient = p->gradient,
                              .bf16 = p->bf16};
    part.v = t->weights;
    p->kernels->weights(&part);
}

static void run_parts(void *context, size_t begin, size_t end) {
    const own_conv_call *t = context;
    const own_conv_plan *p = t->plan;
    size_t all = p->kernels->parts(&p->shape), group = (size_t)p->kernels->group, groups = (all + group - 1) / group;
    for (size_t i = begin; i < end; i++) {
        size_t last = groups * (i + 1) / (size_t)p->threads * group;
        conv_part part = {.shape = &p->shape,
                          .x = t->x,
                          .v = t->weights,
                          .begin = groups * i / (size_t)p->threads * group,
                          .end = last < all ? last : all,
                          .bf16 = p->bf16,
                          .stream = p->stream};
        part.y = t->y;
        p->kernels->run(&part, t->parts + i * p->part_bytes);
    }
}

void own_conv_run(const own_conv_plan *p, void *y, const void *x, const float *w, void *scratch) {
    own_conv_call t = {.plan = p, .x = x, .w = w, .weights = scratch};
    t.y = y;
    t.parts = t.weights + p->weights_bytes;
    team_run(p->threads, (size_t)(p->shape.y.c / p->kernels->panel), 1, TEAM_FORWARD, transform_weights, &t);
    team_run(p->threads, (size_t)p->threads, 1, TEAM_FORWARD, run_parts, &t);
}
