/* wgrad of a 1x1 convolution by oneDNN's matmul. */
#include "backend/cpu/algo/conv_algo.h"
#include "backend/cpu/algo/onednn_call.h"
#include "backend/cpu/algo/onednn_limits.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>

/** y^T is y described in column-major order. */
static int describe_gemm(conv_descriptors *d, tensor_shape x, tensor_shape y, element type) {
    int64_t m = (int64_t)x.n * x.h * x.w;
    dnnl_dims_t a = {y.c, m}, b = {m, x.c}, c = {y.c, x.c};
    int status = describe(&d->y, 2, a, onednn_data_type(type), dnnl_ba);
    if (status == dnnl_success)
        status = describe(&d->x, 2, b, onednn_data_type(type), dnnl_ab);
    if (status == dnnl_success)
        status = describe(&d->w, 2, c, dnnl_f32, dnnl_ab);
    return status;
}

static int gemm_init(onednn_op *op, onednn *o, const conv_descriptors *d, bool add) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    int status = onednn_attribute(&attr, add);
    if (status == dnnl_success)
        status = matmul_pd(&pd, o->engine, &d->y, &d->x, &d->w, attr);
    if (status == dnnl_success) {
        onednn_name_implementation(op->implementation, pd);
        status = onednn_call_init(&op->call, o, pd);
    }
    if (status == dnnl_success)
        status = onednn_call_argument(&op->call, DNNL_ARG_WEIGHTS, descriptor_of(&d->x));
    if (status == dnnl_success)
        status = onednn_call_argument(&op->call, DNNL_ARG_DST, descriptor_of(&d->w));
    if (status == dnnl_success)
        status = onednn_call_argument(&op->call, DNNL_ARG_SRC, descriptor_of(&d->y));
    if (status == dnnl_success)
        status = onednn_call_scratchpad(&op->call, pd);
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

int onednn_gemm_create(onednn_op **out, onednn *o, const char *name, tensor_shape x, tensor_shape y, element type,
                       bool add) {
    int rc = OK;
    onednn_op *op = NULL;
    conv_descriptors d = {0};
    TRY(onednn_check(&(onednn_conv){.name = name, .x = x, .y = y, .kernel = 1, .groups = 1}, ONEDNN_FORWARD));
    TRY(memory_zeroed(&op, 1, sizeof *op));
    snprintf(op->name, sizeof op->name, "%s", name);
    onednn_use_threads(o->threads);
    int status = describe_gemm(&d, x, y, type);
    if (status == dnnl_success)
        status = gemm_init(op, o, &d, add);
    if (status != dnnl_success)
        rc = onednn_fail(status, name, "create the weight-gradient primitive (wgrad)");
done:
    drop_conv(&d);
    if (rc < 0) {
        onednn_op_destroy(op);
        op = NULL;
    }
    *out = op;
    return rc;
}

/* ---- algorithm ---- */

typedef struct matmul_plan {
    onednn_op *set, *add;
} matmul_plan;

static bool applicable(const conv_problem *p) {
    const onednn_conv *c = &p->conv;
    return c->x_type == ELEMENT_BF16 && c->groups == 1 && c->kernel == 1 && c->pad == 0;
}

static void destroy(void *plan) {
    matmul_plan *g = plan;
    if (g == NULL)
        return;
    onednn_op_destroy(g->set);
    onednn_op_destroy(g->add);
    free(g);
}

static int create(void **out, conv_problem *p) {
    int rc = OK;
    matmul_plan *g = NULL;
    const onednn_conv *c = &p->conv;
    TRY(memory_zeroed(&g, 1, sizeof *g));
    TRY(onednn_gemm_create(&g->set, p->onednn, c->name, c->x, c->y, c->x_type, false));
    TRY(onednn_gemm_create(&g->add, p->onednn, c->name, c->x, c->y, c->x_type, true));
    *out = g;
    g = NULL;
done:
    destroy(g);
    return rc;
}

static size_t workspace(const void *plan) {
    const matmul_plan *g = plan;
    return memory_larger(onednn_op_scratchpad(g->set), onednn_op_scratchpad(g->add));
}

static int run(void *plan, const conv_args *a) {
    const matmul_plan *g = plan;
    return onednn_op_run(a->accumulate ? g->add : g->set, a->x, a->dw, a->y, a->workspace);
}

static const char *implementation(const void *plan) {
    return onednn_op_implementation(((const matmul_plan *)plan)->set);
}

const conv_algo conv_wgrad_onednn_gemm = {"onednn_gemm", applicable, create, workspace, run, destroy, implementation};
