/* Convolution, and the linear layer as a 1x1 convolution of 1x1 maps.
 *
 *     y[n,p,q,k] = sum_{r,s,c} x[n, p*stride+r-pad, q*stride+s-pad, c] * w[k,c,r,s]     (linear: + bias[k])
 *
 * Backward weights come from oneDNN in its own layout and go through scratch into the gradient's slot (OIHW). */
#include "base/status.h"
#include "engine/cpu/cpu.h"

#include <stdlib.h>

typedef struct conv_node {
    onednn_op *forward, *data, *weights;   /* the last two in training only */
    weight_copy *forward_copy, *data_copy; /* borrowed from the device */
    onednn_reorder *unpack, *unpack_add;
    size_t dy_bytes; /* scratch before all else: dy as bf16, or the sum of two dy */
    size_t dw_bytes; /* then dw as oneDNN lays it, then oneDNN's own scratch */
} conv_node;

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

static void node_destroy(conv_node *n) {
    if (n == NULL)
        return;
    onednn_op_destroy(n->forward);
    onednn_op_destroy(n->data);
    onednn_op_destroy(n->weights);
    onednn_reorder_destroy(n->unpack);
    onednn_reorder_destroy(n->unpack_add);
    free(n);
}

static int plan_backward(cpu_device *d, conv_node *n, const device_layer *l, onednn_conv c) {
    int rc = OK;
    c.y_type = c.x_type; /* dy is converted where y is wider than x */
    if (l->dx_needed) {
        TRY(onednn_op_create(&n->data, d->onednn, &c, ONEDNN_BACKWARD_DATA));
        TRY(copies_find(&n->data_copy, &d->copies, d->onednn, l->layer->weight, onednn_op_layout(n->data)));
    }
    TRY(onednn_op_create(&n->weights, d->onednn, &c, ONEDNN_BACKWARD_WEIGHTS));
    const onednn_layout *dw = onednn_op_layout(n->weights);
    TRY(onednn_reorder_create(&n->unpack, d->onednn, dw, true, false));
    TRY(onednn_reorder_create(&n->unpack_add, d->onednn, dw, true, true));
    n->dw_bytes = memory_round(onednn_layout_bytes(dw));
done:
    return rc;
}

static size_t backward_scratch(const conv_node *n) {
    size_t bytes = onednn_op_scratch(n->weights);
    bytes = largest(bytes, onednn_reorder_scratch(n->unpack));
    bytes = largest(bytes, onednn_reorder_scratch(n->unpack_add));
    return n->dy_bytes + n->dw_bytes + largest(bytes, n->data != NULL ? onednn_op_scratch(n->data) : 0);
}

static int plan(cpu_device *d, device_layer *l, onednn_conv c) {
    int rc = OK;
    conv_node *n = NULL;
    TRY(memory_zeroed(&n, 1, sizeof *n));
    TRY(onednn_op_create(&n->forward, d->onednn, &c, ONEDNN_FORWARD));
    TRY(copies_find(&n->forward_copy, &d->copies, d->onednn, l->layer->weight, onednn_op_layout(n->forward)));
    l->scratch_bytes = onednn_op_scratch(n->forward);
    if (l->training) {
        TRY(plan_backward(d, n, l, c));
        if (l->dy_n > 1 || c.y_type != c.x_type)
            n->dy_bytes = memory_round(tensor_count(l->y) * element_bytes(c.x_type));
        l->scratch_bytes = largest(l->scratch_bytes, backward_scratch(n));
    }
    l->node = n;
    n = NULL;
done:
    node_destroy(n);
    return rc;
}

int cpu_conv_plan(void *device, device_layer *l) {
    cpu_device *d = device;
    const layer *t = l->layer;
    element type = d->bf16 ? ELEMENT_BF16 : ELEMENT_F32;
    return plan(d, l,
                (onednn_conv){.name = t->name,
                              .x = l->x,
                              .y = l->y,
                              .kernel = t->kernel,
                              .stride = t->stride,
                              .pad = t->pad,
                              .groups = t->groups > 0 ? t->groups : 1,
                              .x_type = type,
                              .y_type = type,
                              .training = l->training});
}

int cpu_linear_plan(void *device, device_layer *l) {
    cpu_device *d = device;
    return plan(d, l,
                (onednn_conv){.name = l->layer->name,
                              .x = l->x,
                              .y = l->y,
                              .kernel = 1,
                              .stride = 1,
                              .groups = 1,
                              .x_type = d->bf16 ? ELEMENT_BF16 : ELEMENT_F32,
                              .y_type = ELEMENT_F32,
                              .training = l->training});
}

void cpu_conv_destroy(void *device, device_layer *l) {
    (void)device;
    node_destroy(l->node);
    l->node = NULL;
}

int cpu_conv_forward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    (void)device;
    conv_node *n = l->node;
    int rc = OK;
    TRY(copy_renew(n->forward_copy, p->weight, p->version));
    TRY(onednn_op_run(n->forward, (void *)b->x, n->forward_copy->memory, b->y, b->scratch));
done:
    return rc;
}

int cpu_linear_forward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    int rc = OK;
    TRY(cpu_conv_forward(device, l, b, p));
    if (p->bias == NULL)
        return OK;
    float *y = b->y;
    const float *bias = p->bias;
    for (int i = 0; i < l->y.n; i++)
        for (int k = 0; k < l->y.c; k++)
            y[(size_t)i * (size_t)l->y.c + (size_t)k] += bias[k];
done:
    return rc;
}

/** dy is one tensor of x's type. */
static int backward(const conv_node *n, const device_buffers *b, void *dy, const device_params *p) {
    int rc = OK;
    unsigned char *dw = (unsigned char *)b->scratch + n->dy_bytes, *scratch = dw + n->dw_bytes;
    TRY(onednn_op_run(n->weights, (void *)b->x, dw, dy, scratch));
    TRY(onednn_reorder_run(p->accumulate ? n->unpack_add : n->unpack, dw, p->dweight, scratch));
    if (n->data != NULL) {
        TRY(copy_renew(n->data_copy, p->weight, p->version));
        TRY(onednn_op_run(n->data, b->dx, n->data_copy->memory, dy, scratch));
    }
done:
    return rc;
}

typedef struct sum_task {
    const cpu_device *device;
    const device_buffers *buffers;
} sum_task;

/** scratch = dy[0] + dy[1], through the BN kernel with factor 1. */
static void add_gradients(void *context, size_t begin, size_t end) {
    const sum_task *t = context;
    const float factor[2] = {1, 0};
    const device_buffers *b = t->buffers;
    t->device->kernels->bn_apply(b->scratch, NULL, b->dy[0], b->dy[1], factor, false,
                                 (bn_range){begin, end, 1, t->device->bf16, false});
}

int cpu_conv_backward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    const cpu_device *d = device;
    sum_task t = {d, b};
    if (l->dy_n < 2)
        return backward(l->node, b, b->dy[0], p);
    team_run(d->threads, tensor_count(l->y), SIZE_MAX, TEAM_FORWARD, add_gradients, &t);
    return backward(l->node, b, b->scratch, p);
}

int cpu_linear_backward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    const cpu_device *d = device;
    const conv_node *n = l->node;
    float *dy = b->dy[0], *dbias = p->dbias;
    size_t c = (size_t)l->y.c, rows = (size_t)l->y.n;
    if (l->dy_n > 1)
        for (size_t i = 0; i < rows * c; i++)
            dy[i] += ((const float *)b->dy[1])[i];
    for (size_t k = 0; k < c && dbias != NULL; k++) {
        double sum = p->accumulate ? (double)dbias[k] : 0;
        for (size_t i = 0; i < rows; i++)
            sum += (double)dy[i * c + k];
        dbias[k] = (float)sum;
    }
    if (!d->bf16)
        return backward(n, b, dy, p);
    d->kernels->to_bf16(b->scratch, dy, rows * c);
    return backward(n, b, b->scratch, p);
}
