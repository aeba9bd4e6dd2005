/* wgrad of a convolution with the batch split explicitly: each part runs in one thread, with a single-threaded
 * primitive and its own dw. The dw are then added in the order of the parts. So no thread waits for another inside
 * oneDNN. Results are bit-identical for the same number of threads. */
#include "backend/cpu/algo/conv_algo.h"
#include "backend/cpu/algo/onednn_unpack.h"
#include "backend/parallel_for.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>

enum { PARTS = 8, NAME_BYTES = 64 };

typedef struct part {
    onednn *onednn; /* with one thread */
    onednn_op *op;
    size_t x_bytes, dy_bytes; /* offset of this part */
    int rc;                   /* of the last run */
} part;

typedef struct split_plan {
    char name[NAME_BYTES]; /* of the layer */
    part part[PARTS];
    int n;
    size_t dw_bytes, scratchpad_bytes; /* per part, rounded */
    onednn_unpack unpack;
} split_plan;

/** oneDNN's bf16 kernels, and those for AVX2, use spinning barriers when they transpose x and dy and add dw. If one
 *  thread is preempted, the others wait for it at each barrier, and a call takes up to ten times as long
 *  (bench/results). The fp32 kernels for AVX-512 do not. Each part needs its own dw, so large numbers of threads are
 *  excluded, and each thread must have at least one image. */
static bool applicable(const conv_problem *p) {
    bool spins = p->conv.x_type == ELEMENT_BF16 || p->level < CPU_AVX512;
    return spins && p->threads > 1 && p->threads <= PARTS && p->conv.x.n >= p->threads;
}

static size_t tensor_bytes(tensor_shape s, element type) { return tensor_count(s) * element_bytes(type); }

/** For images [begin, end). */
static int part_init(part *p, const onednn_conv *whole, int begin, int end) {
    int rc = OK;
    onednn_conv c = *whole;
    c.x.n = c.y.n = begin;
    p->x_bytes = tensor_bytes(c.x, c.x_type);
    p->dy_bytes = tensor_bytes(c.y, c.y_type);
    c.x.n = c.y.n = end - begin;
    TRY(onednn_open(&p->onednn, 1));
    TRY(onednn_op_create(&p->op, p->onednn, &c, ONEDNN_WGRAD));
done:
    return rc;
}

static void destroy(void *plan) {
    split_plan *p = plan;
    if (p == NULL)
        return;
    for (int i = 0; i < p->n; i++) {
        onednn_op_destroy(p->part[i].op);
        onednn_close(p->part[i].onednn);
    }
    onednn_unpack_deinit(&p->unpack);
    free(p);
}

static const onednn_layout *layout_of(const split_plan *p) { return onednn_op_layout(p->part[0].op); }

static int create(void **out, conv_problem *problem) {
    int rc = OK;
    split_plan *p = NULL;
    onednn_conv c = problem->conv;
    c.y_type = c.x_type;
    *out = NULL;
    TRY(memory_zeroed(&p, 1, sizeof *p));
    snprintf(p->name, sizeof p->name, "%s", c.name);
    p->n = problem->threads;
    for (int i = 0; i < p->n; i++) {
        int64_t images = c.x.n;
        TRY(part_init(&p->part[i], &c, (int)(images * i / p->n), (int)(images * (i + 1) / p->n)));
        const onednn_layout *dw = onednn_op_layout(p->part[i].op);
        if (!onednn_layout_equal(dw, layout_of(p)))
            goto done; /* they cannot be added element by element */
        p->dw_bytes = memory_round(onednn_layout_bytes(dw));
        p->scratchpad_bytes = memory_larger(p->scratchpad_bytes, memory_round(onednn_op_scratchpad(p->part[i].op)));
    }
    TRY(onednn_unpack_init(&p->unpack, problem->onednn, layout_of(p)));
    *out = p;
    p = NULL;
done:
    destroy(p);
    return rc;
}

/** The sum, the dw of all parts except the first, then each part's scratchpad. */
static size_t workspace(const void *plan) {
    const split_plan *p = plan;
    size_t parts = (size_t)(p->n - 1) * p->dw_bytes + (size_t)p->n * p->scratchpad_bytes;
    return p->dw_bytes + memory_larger(onednn_unpack_scratchpad(&p->unpack), parts);
}

typedef struct parts_run {
    split_plan *parts;
    const unsigned char *x, *dy;
    unsigned char *dw, *scratchpad;
} parts_run;

static unsigned char *dw_of(const parts_run *r, size_t i) {
    return i == 0 ? r->dw : r->scratchpad + (i - 1) * r->parts->dw_bytes;
}

static void run_parts(void *context, size_t begin, size_t end) {
    const parts_run *r = context;
    split_plan *p = r->parts;
    unsigned char *scratchpad = r->scratchpad + (size_t)(p->n - 1) * p->dw_bytes;
    for (size_t i = begin; i < end; i++) {
        part *t = &p->part[i];
        t->rc = onednn_op_run(t->op, (void *)(r->x + t->x_bytes), dw_of(r, i), (void *)(r->dy + t->dy_bytes),
                              scratchpad + i * p->scratchpad_bytes);
    }
}

static void add_parts(void *context, size_t begin, size_t end) {
    const parts_run *r = context;
    float *sum = (float *)r->dw;
    for (int i = 1; i < r->parts->n; i++) {
        const float *dw = (const float *)dw_of(r, (size_t)i);
        for (size_t j = begin; j < end; j++)
            sum[j] += dw[j];
    }
}

static int run(void *plan, const conv_args *a) {
    const size_t in_cache = 4096;
    split_plan *p = plan;
    parts_run r = {.parts = p, .x = a->x, .dy = a->y, .dw = a->workspace};
    r.scratchpad = r.dw + p->dw_bytes;
    parallel_for(p->n, (size_t)p->n, 1, LOOP_FORWARD, run_parts, &r);
    for (int i = 0; i < p->n; i++) /* messages are per thread: set one here */
        if (p->part[i].rc < 0)
            return fail(p->part[i].rc, "layer %s: oneDNN cannot compute the gradient of the weights", p->name);
    parallel_for(p->n, onednn_layout_bytes(layout_of(p)) / sizeof(float), in_cache, LOOP_FORWARD, add_parts, &r);
    return onednn_unpack_run(&p->unpack, r.dw, a->dw, a->accumulate, r.scratchpad);
}

static const char *implementation(const void *plan) {
    return onednn_op_implementation(((const split_plan *)plan)->part[0].op);
}

const conv_algo conv_wgrad_onednn_split = {"onednn_split", applicable, create, workspace, run, destroy, implementation};
