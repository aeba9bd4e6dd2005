/* Forward in evaluation by oneDNN, one image at a time: each thread computes its images with a primitive for one thread
 * and one image. oneDNN selects the implementation and the order of its sums by the batch size and the number of
 * threads (docs/numerics.md). This way the result of an image depends on neither. */
#include "backend/cpu/algo/conv_algo.h"
#include "backend/cpu/algo/onednn_limits.h"
#include "backend/parallel_for.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_BYTES = 64 };

typedef struct worker {
    onednn *onednn; /* with one thread */
    onednn_op *op;
    int rc; /* of the last run */
} worker;

typedef struct by_image_plan {
    char name[NAME_BYTES]; /* of the layer */
    worker *worker;        /* (worker_n) */
    int worker_n, images;
    packed_weight *weights;                    /* not owned */
    size_t x_bytes, y_bytes, scratchpad_bytes; /* per image; per worker, rounded */
} by_image_plan;

static bool applicable(const conv_problem *p) { return !p->conv.training; }

static void destroy(void *plan) {
    by_image_plan *b = plan;
    if (b == NULL)
        return;
    for (int i = 0; b->worker != NULL && i < b->worker_n; i++) {
        onednn_op_destroy(b->worker[i].op);
        onednn_close(b->worker[i].onednn);
    }
    free(b->worker);
    free(b);
}

static int create(void **out, conv_problem *p) {
    int rc = OK;
    by_image_plan *b = NULL;
    onednn_conv c = p->conv;
    *out = NULL;
    TRY(onednn_check(&p->conv, ONEDNN_FORWARD)); /* the whole batch: the same limit as in training */
    c.x.n = c.y.n = 1;
    TRY(memory_zeroed(&b, 1, sizeof *b));
    snprintf(b->name, sizeof b->name, "%s", c.name);
    b->images = p->conv.x.n;
    b->worker_n = p->threads < b->images ? p->threads : b->images;
    b->x_bytes = tensor_count(c.x) * element_bytes(c.x_type);
    b->y_bytes = tensor_count(c.y) * element_bytes(c.y_type);
    TRY(memory_zeroed(&b->worker, (size_t)b->worker_n, sizeof *b->worker));
    for (int i = 0; i < b->worker_n; i++) {
        TRY(onednn_open(&b->worker[i].onednn, 1));
        TRY(onednn_op_create(&b->worker[i].op, b->worker[i].onednn, &c, ONEDNN_FORWARD));
        b->scratchpad_bytes = memory_larger(b->scratchpad_bytes, memory_round(onednn_op_scratchpad(b->worker[i].op)));
    }
    TRY(packed_weights_find(&b->weights, p->packed, p->onednn, p->weight, onednn_op_layout(b->worker[0].op)));
    p->packed_weight = b->weights;
    *out = b;
    b = NULL;
done:
    destroy(b);
    return rc;
}

static size_t workspace(const void *plan) {
    const by_image_plan *b = plan;
    return (size_t)b->worker_n * b->scratchpad_bytes;
}

typedef struct by_image_run {
    const by_image_plan *plan;
    unsigned char *x, *y, *scratchpad;
} by_image_run;

static void run_workers(void *context, size_t begin, size_t end) {
    const by_image_run *r = context;
    const by_image_plan *b = r->plan;
    for (size_t w = begin; w < end; w++) {
        worker *own = &b->worker[w];
        size_t images = (size_t)b->images, workers = (size_t)b->worker_n;
        own->rc = OK;
        for (size_t i = images * w / workers; i < images * (w + 1) / workers && own->rc == OK; i++)
            own->rc = onednn_op_run(own->op, r->x + i * b->x_bytes, b->weights->memory, r->y + i * b->y_bytes,
                                    r->scratchpad + w * b->scratchpad_bytes);
    }
}

static int run(void *plan, const conv_args *a) {
    int rc = OK;
    const by_image_plan *b = plan;
    by_image_run r = {.plan = b, .x = a->x, .y = a->y, .scratchpad = a->workspace};
    TRY(packed_weight_renew(b->weights, a->weight, a->version));
    parallel_for(b->worker_n, (size_t)b->worker_n, 1, LOOP_FORWARD, run_workers, &r);
    for (int i = 0; i < b->worker_n; i++) /* messages are per thread: set one here */
        if (b->worker[i].rc < 0)
            rc = fail(b->worker[i].rc, "layer %s: oneDNN cannot compute the convolution", b->name);
done:
    return rc;
}

static const char *implementation(const void *plan) {
    return onednn_op_implementation(((const by_image_plan *)plan)->worker[0].op);
}

const conv_algo conv_forward_onednn_by_image = {"onednn_by_image", applicable,    create, workspace, run,
                                                destroy,           implementation};
