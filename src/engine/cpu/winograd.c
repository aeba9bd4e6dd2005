#include "engine/cpu/winograd.h"

#include "base/memory.h"
#include "engine/cpu/team.h"

enum { CHANNELS = 32, TILES_MIN = 96 };

static size_t tiles_of(const conv_shape *s) {
    return (size_t)s->y.n * (size_t)((s->y.h + 1) / 2) * (size_t)((s->y.w + 1) / 2);
}

bool winograd_suits(const kernels *set, const conv_shape *s, bool bf16) {
    return set->winograd != NULL && (!bf16 || set->product != NULL) && s->kernel == 3 && s->stride == 1 &&
           s->pad == 1 && s->x.c % CHANNELS == 0 && s->y.c % CHANNELS == 0 && tiles_of(s) >= TILES_MIN;
}

winograd_plan winograd_planned(const kernels *set, int threads, const conv_shape *s, bool bf16, bool gradient) {
    winograd_plan p = {.kernels = set, .shape = *s, .bf16 = bf16, .gradient = gradient, .threads = threads};
    if (gradient) {
        p.shape.x = s->y;
        p.shape.y = s->x;
    }
    p.weights_bytes = memory_round(set->winograd_weights_bytes(&p.shape, bf16));
    p.part_bytes = memory_round(set->winograd_scratch(&p.shape, bf16));
    return p;
}

size_t winograd_scratch(const winograd_plan *p) { return p->weights_bytes + (size_t)p->threads * p->part_bytes; }

typedef struct winograd_call {
    const winograd_plan *plan;
    void *y;
    const void *x;
    const float *w;
    unsigned char *weights, *parts;
} winograd_call;

/** Panels [begin, end) of the weights. */
static void transform_weights(void *context, size_t begin, size_t end) {
    const winograd_call *t = context;
    const winograd_plan *p = t->plan;
    winograd_weights_part part = {.w = t->w,
                                  .in_c = p->shape.x.c,
                                  .out_c = p->shape.y.c,
                                  .begin = begin,
                                  .end = end,
                                  .gradient = p->gradient,
                                  .bf16 = p->bf16};
    part.v = t->weights;
    p->kernels->winograd_weights(&part);
}

/** Whole groups of tiles, so that no thread's last rows of a product are empty but the last one's. */
static void run_parts(void *context, size_t begin, size_t end) {
    const winograd_call *t = context;
    const winograd_plan *p = t->plan;
    size_t tiles = tiles_of(&p->shape), groups = (tiles + WINOGRAD_GROUP - 1) / WINOGRAD_GROUP;
    for (size_t i = begin; i < end; i++) {
        size_t last = groups * (i + 1) / (size_t)p->threads * WINOGRAD_GROUP;
        winograd_part part = {.shape = &p->shape,
                              .x = t->x,
                              .v = t->weights,
                              .begin = groups * i / (size_t)p->threads * WINOGRAD_GROUP,
                              .end = last < tiles ? last : tiles,
                              .bf16 = p->bf16};
        part.y = t->y;
        p->kernels->winograd(&part, t->parts + i * p->part_bytes);
    }
}

void winograd_run(const winograd_plan *p, void *y, const void *x, const float *w, void *scratch) {
    winograd_call t = {.plan = p, .x = x, .w = w, .weights = scratch};
    t.y = y;
    t.parts = t.weights + p->weights_bytes;
    team_run(p->threads, (size_t)(p->shape.y.c / p->kernels->winograd_panel), 1, TEAM_FORWARD, transform_weights, &t);
    team_run(p->threads, (size_t)p->threads, 1, TEAM_FORWARD, run_parts, &t);
}
