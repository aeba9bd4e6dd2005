/* Convolutions by oneDNN: one primitive per pass. */
#include "backend/cpu/algo/onednn_call.h"
#include "backend/cpu/algo/onednn_limits.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void weight_dims(onednn_layout *l, const onednn_conv *c) {
    dnnl_dims_t grouped = {c->groups, c->y.c / c->groups, c->x.c / c->groups, c->kernel, c->kernel};
    int skip = c->groups == 1 ? 1 : 0;
    l->rank = 5 - skip;
    for (int i = 0; i < l->rank; i++)
        l->dims[i] = grouped[i + skip];
}

static int describe_conv(conv_descriptors *d, const onednn_conv *c, const onednn_layout *l, onednn_pass pass) {
    dnnl_dims_t x = {c->x.n, c->x.c, c->x.h, c->x.w}, y = {c->y.n, c->y.c, c->y.h, c->y.w};
    for (int i = 0; i < 2; i++) {
        d->strides[i] = c->stride;
        d->dilates[i] = 0;
        d->pads[i] = c->pad;
    }
    dnnl_data_type_t w_type = pass == ONEDNN_WGRAD ? dnnl_f32 : onednn_data_type(c->x_type);
    int status = describe(&d->x, 4, x, onednn_data_type(c->x_type), dnnl_nhwc);
    if (status == dnnl_success)
        status = describe(&d->y, 4, y, onednn_data_type(c->y_type), dnnl_nhwc);
    if (status == dnnl_success)
        status = describe(&d->w, l->rank, l->dims, w_type, dnnl_format_tag_any);
    return status;
}

/** The backward primitives need the forward primitive descriptor as a hint. Its weight type may differ (dw is fp32). */
static int backward_with_hint(dnnl_primitive_desc_t *pd, onednn *o, const onednn_conv *c, const onednn_layout *l,
                              const conv_descriptors *d, onednn_pass pass, dnnl_primitive_attr_t attr) {
    conv_descriptors forward = {0};
    dnnl_primitive_desc_t hint = NULL;
    int status = describe_conv(&forward, c, l, ONEDNN_FORWARD);
    if (status == dnnl_success)
        status = forward_pd(&hint, o->engine, &forward, true, attr);
    if (status == dnnl_success)
        status = backward_pd(pd, o->engine, d, pass == ONEDNN_DGRAD, hint, attr);
    if (hint != NULL)
        dnnl_primitive_desc_destroy(hint);
    drop_conv(&forward);
    return status;
}

/** wgrad in bf16 reads uninitialised scratchpad if a row of x is shorter than the stride (2.6.3 and 3.7.2, all AVX-512
 *  kernels). The result is correct if the scratchpad is 0. See docs/numerics.md. */
static bool reads_unwritten(const onednn_conv *c, onednn_pass pass) {
    return pass == ONEDNN_WGRAD && c->x_type == ELEMENT_BF16 && c->x.w < c->stride;
}

static const struct {
    int x, w, y;          /* argument numbers */
    dnnl_query_t weights; /* query for the layout of w */
    const char *what;
} pass_table[] = {
    [ONEDNN_FORWARD] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, dnnl_query_weights_md,
                        "create the forward convolution"},
    [ONEDNN_DGRAD] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST, dnnl_query_weights_md,
                      "create the backward-data convolution (dgrad)"},
    [ONEDNN_WGRAD] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST, dnnl_query_diff_weights_md,
                      "create the backward-weights convolution (wgrad)"},
};

static int op_init(onednn_op *op, onednn *o, const_dnnl_primitive_desc_t pd, const conv_descriptors *d,
                   onednn_pass pass) {
    onednn_name_implementation(op->implementation, pd);
    int status = copy_descriptor(&op->layout.md, dnnl_primitive_desc_query_md(pd, pass_table[pass].weights, 0));
    if (status == dnnl_success)
        status = onednn_call_init(&op->call, o, pd);
    if (status == dnnl_success)
        status = onednn_call_argument(&op->call, pass_table[pass].x, descriptor_of(&d->x));
    if (status == dnnl_success)
        status = onednn_call_argument(&op->call, pass_table[pass].w, descriptor_of(&op->layout.md));
    if (status == dnnl_success)
        status = onednn_call_argument(&op->call, pass_table[pass].y, descriptor_of(&d->y));
    if (status == dnnl_success)
        status = onednn_call_scratchpad(&op->call, pd);
    return status;
}

int onednn_op_create(onednn_op **out, onednn *o, const onednn_conv *c, onednn_pass pass) {
    int rc = OK, before = onednn_use_threads(o->threads);
    onednn_op *op = NULL;
    conv_descriptors d = {0};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = NULL;
    TRY(onednn_check(c, pass));
    TRY(memory_zeroed(&op, 1, sizeof *op));
    snprintf(op->name, sizeof op->name, "%s", c->name);
    weight_dims(&op->layout, c);
    op->clears_scratchpad = reads_unwritten(c, pass);
    int status = onednn_attribute(&attr, false);
    if (status == dnnl_success)
        status = describe_conv(&d, c, &op->layout, pass);
    if (status == dnnl_success && pass == ONEDNN_FORWARD)
        status = forward_pd(&pd, o->engine, &d, c->training, attr);
    else if (status == dnnl_success)
        status = backward_with_hint(&pd, o, c, &op->layout, &d, pass, attr);
    if (status == dnnl_success)
        status = op_init(op, o, pd, &d, pass);
    if (status != dnnl_success)
        rc = onednn_fail(status, c->name, pass_table[pass].what);
done:
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    drop_conv(&d);
    onednn_use_threads(before);
    if (rc < 0) {
        onednn_op_destroy(op);
        op = NULL;
    }
    *out = op;
    return rc;
}

void onednn_op_destroy(onednn_op *op) {
    if (op == NULL)
        return;
    onednn_call_deinit(&op->call);
    drop_descriptor(&op->layout.md);
    free(op);
}

size_t onednn_op_scratchpad(const onednn_op *op) { return op->call.scratchpad_bytes; }
const onednn_layout *onednn_op_layout(const onednn_op *op) { return &op->layout; }
const char *onednn_op_implementation(const onednn_op *op) { return op->implementation; }

int onednn_op_run(onednn_op *op, void *x, void *w, void *y, void *scratchpad) {
    if (op->clears_scratchpad)
        memset(scratchpad, 0, op->call.scratchpad_bytes);
    void *address[ONEDNN_ARGUMENTS] = {x, w, y, scratchpad};
    int status = onednn_call_run(&op->call, address);
    return status == dnnl_success ? OK : onednn_fail(status, op->name, op->implementation);
}
