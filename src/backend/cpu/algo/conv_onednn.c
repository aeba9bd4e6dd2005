/* Convolutions by oneDNN, all passes: the last resort, applicable to all convolutions. (In evaluation,
 * onednn_by_image.c precedes it.)
 *
 * Forward keeps the weights in oneDNN's layout (packed_weights.h), shared by all plans and by a dgrad of the same
 * layout. If dgrad needs another layout, it packs the weights in the workspace in each run. wgrad writes dw to the
 * workspace in oneDNN's layout; a reorder writes it to the gradient. */
#include "backend/cpu/algo/conv_algo.h"
#include "backend/cpu/algo/onednn_unpack.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>

static bool always(const conv_problem *p) {
    (void)p;
    return true;
}

/* ---- forward ---- */

typedef struct forward_plan {
    onednn_op *op;
    packed_weight *weights; /* not owned */
} forward_plan;

static void forward_destroy(void *plan) {
    forward_plan *f = plan;
    if (f != NULL)
        onednn_op_destroy(f->op);
    free(f);
}

static int forward_create(void **out, conv_problem *p) {
    int rc = OK;
    forward_plan *f = NULL;
    TRY(memory_zeroed(&f, 1, sizeof *f));
    TRY(onednn_op_create(&f->op, p->onednn, &p->conv, ONEDNN_FORWARD));
    TRY(packed_weights_find(&f->weights, p->packed, p->onednn, p->weight, onednn_op_layout(f->op)));
    p->packed_weight = f->weights;
    *out = f;
    f = NULL;
done:
    forward_destroy(f);
    return rc;
}

static size_t forward_workspace(const void *plan) { return onednn_op_scratchpad(((const forward_plan *)plan)->op); }

static int forward_run(void *plan, const conv_args *a) {
    int rc = OK;
    const forward_plan *f = plan;
    TRY(packed_weight_renew(f->weights, a->weight, a->version));
    TRY(onednn_op_run(f->op, a->x, f->weights->memory, a->y, a->workspace));
done:
    return rc;
}

static const char *forward_implementation(const void *plan) {
    return onednn_op_implementation(((const forward_plan *)plan)->op);
}

const conv_algo conv_forward_onednn = {"onednn",    always,          forward_create,        forward_workspace,
                                       forward_run, forward_destroy, forward_implementation};

/* ---- dgrad ---- */

typedef struct dgrad_plan {
    onednn_op *op;
    packed_weight *weights; /* not owned: forward's, if its layout is the same */
    onednn_reorder *pack;   /* otherwise: packs the weights in each run */
    size_t pack_bytes;      /* workspace: the packed weights, then oneDNN's scratchpad */
} dgrad_plan;

static void dgrad_destroy(void *plan) {
    dgrad_plan *d = plan;
    if (d == NULL)
        return;
    onednn_op_destroy(d->op);
    onednn_reorder_destroy(d->pack);
    free(d);
}

static int dgrad_create(void **out, conv_problem *p) {
    int rc = OK;
    dgrad_plan *d = NULL;
    onednn_conv c = p->conv;
    c.y_type = c.x_type;
    TRY(memory_zeroed(&d, 1, sizeof *d));
    TRY(onednn_op_create(&d->op, p->onednn, &c, ONEDNN_DGRAD));
    const onednn_layout *w = onednn_op_layout(d->op);
    if (p->packed_weight != NULL && onednn_reorder_is_for(p->packed_weight->reorder, w)) {
        d->weights = p->packed_weight;
    } else {
        TRY(onednn_reorder_create(&d->pack, p->onednn, w, false, false));
        d->pack_bytes = memory_round(onednn_layout_bytes(w));
    }
    *out = d;
    d = NULL;
done:
    dgrad_destroy(d);
    return rc;
}

static size_t dgrad_workspace(const void *plan) {
    const dgrad_plan *d = plan;
    size_t pack = d->pack != NULL ? onednn_reorder_scratchpad(d->pack) : 0;
    return d->pack_bytes + memory_larger(pack, onednn_op_scratchpad(d->op));
}

static int dgrad_run(void *plan, const conv_args *a) {
    int rc = OK;
    const dgrad_plan *d = plan;
    unsigned char *scratchpad = (unsigned char *)a->workspace + d->pack_bytes;
    if (d->pack != NULL)
        TRY(onednn_reorder_run(d->pack, a->weight, a->workspace, scratchpad));
    else
        TRY(packed_weight_renew(d->weights, a->weight, a->version));
    TRY(onednn_op_run(d->op, a->x, d->pack != NULL ? a->workspace : d->weights->memory, a->y, scratchpad));
done:
    return rc;
}

static const char *dgrad_implementation(const void *plan) {
    return onednn_op_implementation(((const dgrad_plan *)plan)->op);
}

const conv_algo conv_dgrad_onednn = {"onednn",  always,        dgrad_create,        dgrad_workspace,
                                     dgrad_run, dgrad_destroy, dgrad_implementation};

/* ---- wgrad ---- */

typedef struct wgrad_plan {
    onednn_op *op;
    onednn_unpack unpack;
} wgrad_plan;

static void wgrad_destroy(void *plan) {
    wgrad_plan *w = plan;
    if (w == NULL)
        return;
    onednn_op_destroy(w->op);
    onednn_unpack_deinit(&w->unpack);
    free(w);
}

static int wgrad_create(void **out, conv_problem *p) {
    int rc = OK;
    wgrad_plan *w = NULL;
    onednn_conv c = p->conv;
    c.y_type = c.x_type;
    TRY(memory_zeroed(&w, 1, sizeof *w));
    TRY(onednn_op_create(&w->op, p->onednn, &c, ONEDNN_WGRAD));
    TRY(onednn_unpack_init(&w->unpack, p->onednn, onednn_op_layout(w->op)));
    *out = w;
    w = NULL;
done:
    wgrad_destroy(w);
    return rc;
}

static size_t wgrad_workspace(const void *plan) {
    const wgrad_plan *w = plan;
    return w->unpack.dw_bytes + memory_larger(onednn_unpack_scratchpad(&w->unpack), onednn_op_scratchpad(w->op));
}

static int wgrad_run(void *plan, const conv_args *a) {
    int rc = OK;
    const wgrad_plan *w = plan;
    unsigned char *dw = a->workspace, *scratchpad = dw + w->unpack.dw_bytes;
    TRY(onednn_op_run(w->op, a->x, dw, a->y, scratchpad));
    TRY(onednn_unpack_run(&w->unpack, dw, a->dw, a->accumulate, scratchpad));
done:
    return rc;
}

static const char *wgrad_implementation(const void *plan) {
    return onednn_op_implementation(((const wgrad_plan *)plan)->op);
}

const conv_algo conv_wgrad_onednn = {"onednn",  always,        wgrad_create,        wgrad_workspace,
                                     wgrad_run, wgrad_destroy, wgrad_implementation};
