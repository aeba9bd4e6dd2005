#include "backend/cpu/algo/wgrad_direct.h"

#include "backend/cpu/algo/conv_algo.h"
#include "backend/parallel_for.h"
#include "base/memory.h"

#include <stdlib.h>

enum { CHANNELS = 8, C_MIN = 24 };

bool direct_suits(const conv_shape *s) { return s->kernel > 1 && s->x.c >= C_MIN; }

static int groups_of(const wgrad_direct_plan *p) { return (p->shape.y.c + CHANNELS - 1) / CHANNELS; }

wgrad_direct_plan wgrad_direct_planned(const kernels *set, int threads, const conv_shape *s) {
    wgrad_direct_plan p = {.kernels = set, .shape = *s, .threads = threads};
    int groups = groups_of(&p);
    p.parts = threads < groups ? threads : groups;
    p.part_bytes = memory_round(set->wgrad_direct_workspace(s, (groups + p.parts - 1) / p.parts * CHANNELS));
    return p;
}

size_t wgrad_direct_plan_workspace(const wgrad_direct_plan *p) { return (size_t)p->parts * p->part_bytes; }

typedef struct wgrad_direct_call {
    const wgrad_direct_plan *plan;
    float *dw;
    const uint16_t *dy, *x;
    bool add;
    unsigned char *workspace;
} wgrad_direct_call;

static void run_parts(void *context, size_t begin, size_t end) {
    const wgrad_direct_call *t = context;
    const wgrad_direct_plan *p = t->plan;
    const conv_shape *s = &p->shape;
    int row = s->x.c * s->kernel * s->kernel;
    for (size_t i = begin; i < end; i++) {
        int first = (int)((size_t)groups_of(p) * i / (size_t)p->parts) * CHANNELS;
        int last = (int)((size_t)groups_of(p) * (i + 1) / (size_t)p->parts) * CHANNELS;
        wgrad_direct_part part = {.shape = s,
                                  .dw = t->dw + (size_t)first * (size_t)row,
                                  .dy = t->dy + first,
                                  .x = t->x,
                                  .k = (last < s->y.c ? last : s->y.c) - first,
                                  .add = t->add};
        p->kernels->wgrad_direct(&part, t->workspace + i * p->part_bytes);
    }
}

void wgrad_direct_run(const wgrad_direct_plan *p, float *dw, const uint16_t *dy, const uint16_t *x, bool add,
                      void *workspace) {
    wgrad_direct_call t = {.plan = p, .dy = dy, .x = x, .add = add, .workspace = workspace};
    t.dw = dw;
    parallel_for(p->threads, (size_t)p->parts, 1, LOOP_FORWARD, run_parts, &t);
}

/* ---- algorithm ---- */

static conv_shape shape_of(const onednn_conv *c) { return (conv_shape){c->x, c->y, c->kernel, c->stride, c->pad}; }

/** With AMX, oneDNN is faster, unless it must not be used. */
static bool applicable(const conv_problem *p) {
    const onednn_conv *c = &p->conv;
    conv_shape s = shape_of(c);
    return p->kernels->wgrad_direct != NULL && c->x_type == ELEMENT_BF16 && c->groups == 1 && direct_suits(&s) &&
           (p->level != CPU_AMX || p->onednn_fails);
}

static int create(void **out, conv_problem *p) {
    conv_shape s = shape_of(&p->conv);
    wgrad_direct_plan plan = wgrad_direct_planned(p->kernels, p->threads, &s);
    return conv_plan_keep(out, &plan, sizeof plan);
}

static size_t workspace(const void *plan) { return wgrad_direct_plan_workspace(plan); }

static int run(void *plan, const conv_args *a) {
    wgrad_direct_run(plan, a->dw, a->y, a->x, a->accumulate, a->workspace);
    return 0;
}

const conv_algo conv_wgrad_direct = {"direct", applicable, create, workspace, run, free, NULL};
