#include "backend/cpu/algo/weight_parts.h"

#include "backend/parallel_for.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>

enum { PARTS = 8, NAME_BYTES = 64 };

typedef struct part {
    onednn *onednn; /* of one thread */
    onednn_op *op;
    size_t x_bytes, dy_bytes; /* before this part */
    int rc;                   /* of the last run */
} part;

struct weight_parts {
    char name[NAME_BYTES]; /* of the layer */
    part part[PARTS];
    int n;
    size_t dw_bytes, scratch_bytes; /* of each part, rounded */
};

/** oneDNN's bf16 kernels, and those for AVX2, meet at spinning barriers, to transpose x and dy and to add up dw. When
 *  one thread of the team has lost its core, the others wait for it at each, and a call takes up to ten times as long
 *  (bench/results); in fp32 for AVX-512 it does not. Each part costs a dw: not for large teams; and no thread is to be
 *  left idle. */
static int parts_of(int threads, cpu_level level, const onednn_conv *c) {
    bool spins = c->x_type == ELEMENT_BF16 || level < CPU_AVX512;
    return spins && threads <= PARTS && c->x.n >= threads ? threads : 1;
}

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

static size_t tensor_bytes(tensor_shape s, element type) { return tensor_count(s) * element_bytes(type); }

/** Images [begin, end). */
static int part_init(part *p, const onednn_conv *whole, int begin, int end) {
    int rc = OK;
    onednn_conv c = *whole;
    c.x.n = c.y.n = begin;
    p->x_bytes = tensor_bytes(c.x, c.x_type);
    p->dy_bytes = tensor_bytes(c.y, c.y_type);
    c.x.n = c.y.n = end - begin;
    TRY(onednn_open(&p->onednn, 1));
    TRY(onednn_op_create(&p->op, p->onednn, &c, ONEDNN_BACKWARD_WEIGHTS));
done:
    return rc;
}

int weight_parts_create(weight_parts **out, int threads, cpu_level level, const onednn_conv *c) {
    int rc = OK, n = parts_of(threads, level, c);
    weight_parts *p = NULL;
    *out = NULL;
    if (n < 2)
        return OK;
    TRY(memory_zeroed(&p, 1, sizeof *p));
    snprintf(p->name, sizeof p->name, "%s", c->name);
    p->n = n;
    for (int i = 0; i < n; i++) {
        int64_t images = c->x.n;
        TRY(part_init(&p->part[i], c, (int)(images * i / n), (int)(images * (i + 1) / n)));
        const onednn_layout *dw = onednn_op_layout(p->part[i].op);
        if (!onednn_layout_equal(dw, weight_parts_layout(p)))
            goto done; /* cannot be added up */
        p->dw_bytes = memory_round(onednn_layout_bytes(dw));
        p->scratch_bytes = largest(p->scratch_bytes, memory_round(onednn_op_scratch(p->part[i].op)));
    }
    *out = p;
    p = NULL;
done:
    weight_parts_destroy(p);
    return rc;
}

void weight_parts_destroy(weight_parts *p) {
    if (p == NULL)
        return;
    for (int i = 0; i < p->n; i++) {
        onednn_op_destroy(p->part[i].op);
        onednn_close(p->part[i].onednn);
    }
    free(p);
}

const onednn_layout *weight_parts_layout(const weight_parts *p) { return onednn_op_layout(p->part[0].op); }

/** The dw of all parts but the first, then each part's own. */
size_t weight_parts_scratch(const weight_parts *p) {
    return (size_t)(p->n - 1) * p->dw_bytes + (size_t)p->n * p->scratch_bytes;
}

typedef struct parts_run {
    weight_parts *parts;
    const unsigned char *x, *dy;
    unsigned char *dw, *scratch;
} parts_run;

static unsigned char *dw_of(const parts_run *r, size_t i) {
    return i == 0 ? r->dw : r->scratch + (i - 1) * r->parts->dw_bytes;
}

static void run_parts(void *context, size_t begin, size_t end) {
    const parts_run *r = context;
    weight_parts *p = r->parts;
    unsigned char *scratch = r->scratch + (size_t)(p->n - 1) * p->dw_bytes;
    for (size_t i = begin; i < end; i++) {
        part *t = &p->part[i];
        t->rc = onednn_op_run(t->op, (void *)(r->x + t->x_bytes), dw_of(r, i), (void *)(r->dy + t->dy_bytes),
                              scratch + i * p->scratch_bytes);
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

int weight_parts_run(weight_parts *p, const void *x, void *dw, const void *dy, void *scratch) {
    const size_t in_cache = 4096;
    parts_run r = {p, x, dy, dw, scratch};
    team_run(p->n, (size_t)p->n, 1, TEAM_FORWARD, run_parts, &r);
    for (int i = 0; i < p->n; i++) /* the message stayed in another thread */
        if (p->part[i].rc < 0)
            return fail(p->part[i].rc, "layer %s: oneDNN cannot compute the gradient of the weights", p->name);
    team_run(p->n, onednn_layout_bytes(weight_parts_layout(p)) / sizeof(float), in_cache, TEAM_FORWARD, add_parts, &r);
    return OK;
}
