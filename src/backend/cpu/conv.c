/* Convolution, and the linear layer as a 1x1 convolution of 1x1 maps.
 *
 *     y[n,p,q,k] = sum_{r,s,c} x[n, p*stride+r-pad, q*stride+s-pad, c] * w[k,c,r,s]     (linear: + bias[k])
 *
 * dw comes from oneDNN in its own layout and goes through scratch into the gradient's slot (OIHW). In bf16 the batch is
 * split among the threads by hand for it (weight_parts.h), except for a 1x1 convolution: there dw is a plain product
 * dy^T x, straight into the slot. The stride of a 1x1 convolution is taken out first: where oneDNN (2.6.3, 3.7.2) does
 * that itself, threads write over each other's rows when x has fewer channels than a vector (docs/numerics.md). Where
 * there are bf16 products but no tiles of them (AMX), own kernels compute dw (product.h, taps.h).
 *
 * The forward's copy of the weights stays, since evaluation runs it batch after batch. Backward data wants them in
 * another layout, once for each new version: that copy is made in scratch, where dw was. */
#include "backend/cpu/algo/own_conv.h"
#include "backend/cpu/algo/product.h"
#include "backend/cpu/algo/taps.h"
#include "backend/cpu/algo/weight_parts.h"
#include "backend/cpu/algo/winograd_dw.h"
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

enum { USUAL_BATCH = 32 /* images: what evaluation is planned for */ };

typedef struct conv_node {
    onednn_op *forward, *data, *weights; /* the last two in training only */
    int forward_images;                  /* of one run of `forward` */
    weight_copy *copy;                   /* borrowed from the device: as forward wants the weights */
    onednn_reorder *pack;                /* weights as data wants them; NULL: as forward does */
    onednn_reorder *unpack, *unpack_add;
    own_conv_plan own_forward, own_data; /* instead of forward and data, and their copies of the weights */
    winograd_dw_plan own_weights;        /* and instead of weights and unpack */
    weight_parts *parts;                 /* instead of weights */
    product_plan own_product;            /* instead of weights and unpack */
    taps_plan own_taps;                  /* or this */
    onednn_op *product, *product_add;    /* or these */
    size_t dy_bytes;                     /* scratch before all else: dy as bf16, or the sum of two dy */
    size_t subsample_bytes;              /* then x without the stride, for dw */
    size_t dw_bytes;                     /* then dw as oneDNN lays it, then oneDNN's own scratch */
    size_t pack_bytes;                   /* in their place, later: the packed weights, then oneDNN's own scratch */
} conv_node;

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

static void node_destroy(conv_node *n) {
    if (n == NULL)
        return;
    onednn_op_destroy(n->forward);
    onednn_op_destroy(n->data);
    onednn_op_destroy(n->weights);
    weight_parts_destroy(n->parts);
    onednn_reorder_destroy(n->pack);
    onednn_reorder_destroy(n->unpack);
    onednn_reorder_destroy(n->unpack_add);
    onednn_op_destroy(n->product);
    onednn_op_destroy(n->product_add);
    free(n);
}

static bool is_product(const cpu_device *d, const onednn_conv *c) {
    return c->kernel == 1 && c->pad == 0 && c->groups == 1 && c->x_type == ELEMENT_BF16 && d->level >= CPU_AVX512_BF16;
}

static bool is_subsampled(const onednn_conv *c) { return c->kernel == 1 && c->pad == 0 && c->stride > 1; }

/** The same weight gradient from x at y's positions alone. */
static onednn_conv subsampled(onednn_conv c) {
    c.x = (tensor_shape){c.y.n, c.y.h, c.y.w, c.x.c};
    c.stride = 1;
    return c;
}

static size_t rows_of(tensor_shape s) { return (size_t)s.n * (size_t)s.h * (size_t)s.w; }

/** Whether the device's own kernels compute the layer's weight gradient; if so, plans them. */
static bool plan_own_weights(const cpu_device *d, conv_node *n, const device_layer *l, const onednn_conv *c) {
    conv_shape s = {c->x, c->y, c->kernel, c->stride, c->pad};
    bool amx = d->level == CPU_AMX && !onednn_row_too_wide(c, ONEDNN_BACKWARD_WEIGHTS);
    if (d->kernels->product == NULL || c->x_type != ELEMENT_BF16 || c->groups > 1 || amx)
        return false;
    if (is_product(d, c))
        n->own_product = product_planned(d->kernels, d->threads, rows_of(l->y), l->y.c, l->x.c);
    else if (taps_suit(&s))
        n->own_taps = taps_planned(d->kernels, d->threads, &s);
    else
        return false;
    return true;
}

/** c: of the weight gradient, subsampled. */
static int plan_weights(cpu_device *d, conv_node *n, const device_layer *l, const onednn_conv *c) {
    int rc = OK;
    if (n->own_forward.kernels != NULL && n->own_forward.kernels->dw != NULL) {
        n->own_weights = winograd_dw_planned(n->own_forward.kernels, d->threads, &n->own_forward.shape, d->bf16);
        return OK;
    }
    if (plan_own_weights(d, n, l, c))
        return OK;
    if (is_product(d, c)) {
        TRY(onednn_product_create(&n->product, d->onednn, c->name, c->x, c->y, c->x_type, false));
        return onednn_product_create(&n->product_add, d->onednn, c->name, c->x, c->y, c->x_type, true);
    }
    TRY(weight_parts_create(&n->parts, d->threads, d->level, c));
    if (n->parts == NULL)
        TRY(onednn_op_create(&n->weights, d->onednn, c, ONEDNN_BACKWARD_WEIGHTS));
    const onednn_layout *dw = n->parts != NULL ? weight_parts_layout(n->parts) : onednn_op_layout(n->weights);
    TRY(onednn_reorder_create(&n->unpack, d->onednn, dw, true, false));
    TRY(onednn_reorder_create(&n->unpack_add, d->onednn, dw, true, true));
    n->dw_bytes = memory_round(onednn_layout_bytes(dw));
done:
    return rc;
}

static int plan_pack(cpu_device *d, conv_node *n, const onednn_layout *w) {
    int rc = OK;
    if (onednn_reorder_is_for(n->copy->reorder, w))
        return OK;
    TRY(onednn_reorder_create(&n->pack, d->onednn, w, false, false));
    n->pack_bytes = memory_round(onednn_layout_bytes(w));
done:
    return rc;
}

static int plan_backward(cpu_device *d, conv_node *n, const device_layer *l, onednn_conv c) {
    int rc = OK;
    c.y_type = c.x_type; /* dy is converted where y is wider than x */
    if (l->dx_needed && n->own_forward.kernels != NULL) {
        n->own_data = own_conv_planned(n->own_forward.kernels, d->threads, &n->own_forward.shape, d->bf16, true,
                                       cpu_streams(d, l->x));
    } else if (l->dx_needed) {
        TRY(onednn_op_create(&n->data, d->onednn, &c, ONEDNN_BACKWARD_DATA));
        TRY(plan_pack(d, n, onednn_op_layout(n->data)));
    }
    if (is_subsampled(&c)) {
        c = subsampled(c);
        n->subsample_bytes = memory_round(tensor_count(c.x) * element_bytes(c.x_type));
    }
    TRY(plan_weights(d, n, l, &c));
done:
    return rc;
}

static size_t op_scratch(const onednn_op *op) { return op != NULL ? onednn_op_scratch(op) : 0; }
static size_t reorder_scratch(const onednn_reorder *r) { return r != NULL ? onednn_reorder_scratch(r) : 0; }

static size_t backward_scratch(const conv_node *n) {
    size_t weights = largest(reorder_scratch(n->unpack), reorder_scratch(n->unpack_add));
    weights = largest(weights, largest(op_scratch(n->product), op_scratch(n->product_add)));
    weights = largest(weights, n->own_product.kernels != NULL ? product_plan_scratch(&n->own_product) : 0);
    weights = largest(weights, winograd_dw_scratch(&n->own_weights));
    weights = largest(weights, n->own_taps.kernels != NULL ? taps_plan_scratch(&n->own_taps) : 0);
    weights = largest(weights, n->parts != NULL ? weight_parts_scratch(n->parts) : op_scratch(n->weights));
    weights += n->subsample_bytes + n->dw_bytes;
    size_t data = n->pack_bytes + largest(reorder_scratch(n->pack), op_scratch(n->data));
    data = largest(data, own_conv_scratch(&n->own_data));
    return n->dy_bytes + largest(weights, data);
}

static int plan_forward(cpu_device *d, conv_node *n, device_layer *l, const onednn_conv *c) {
    conv_shape s = {c->x, c->y, c->kernel, c->stride, c->pad};
    int rc = OK;
    const conv_kernels *own = NULL;
    bool suits = !d->bf16 || ((l->training || d->options.winograd) && d->level != CPU_AMX);
    if (!l->training) /* an image's prediction does not depend on the batch it is in */
        s.x.n = s.y.n = USUAL_BATCH;
    if (c->groups == 1 && c->y_type == c->x_type && suits)
        own = own_conv_for(d->kernels, &s, d->bf16, d->options.winograd);
    s.x.n = s.y.n = c->x.n;
    if (own != NULL) {
        n->own_forward = own_conv_planned(own, d->threads, &s, d->bf16, false, cpu_streams(d, l->y));
        l->scratch_bytes = own_conv_scratch(&n->own_forward);
        return OK;
    }
    onednn_conv run = *c;
    if (!l->training && l->layer->kind == LAYER_LINEAR)
        run.x.n = run.y.n = 1; /* oneDNN 3.7.2 chooses another implementation for few images than for many */
    n->forward_images = run.x.n;
    TRY(onednn_op_create(&n->forward, d->onednn, &run, ONEDNN_FORWARD));
    TRY(copies_find(&n->copy, &d->copies, d->onednn, l->layer->weight, onednn_op_layout(n->forward)));
    l->scratch_bytes = onednn_op_scratch(n->forward);
done:
    return rc;
}

static int plan(cpu_device *d, device_layer *l, onednn_conv c) {
    int rc = OK;
    conv_node *n = NULL;
    TRY(memory_zeroed(&n, 1, sizeof *n));
    TRY(plan_forward(d, n, l, &c));
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
    const cpu_device *d = device;
    conv_node *n = l->node;
    int rc = OK;
    if (n->own_forward.kernels != NULL) {
        own_conv_run(&n->own_forward, b->y, b->x, p->weight, b->scratch);
        return OK;
    }
    TRY(copy_renew(n->copy, p->weight, p->version));
    unsigned char *x = (void *)b->x, *y = b->y;
    element x_type = d->bf16 ? ELEMENT_BF16 : ELEMENT_F32,
            y_type = l->layer->kind == LAYER_LINEAR ? ELEMENT_F32 : x_type;
    size_t x_bytes = tensor_count(l->x) * element_bytes(x_type) / (size_t)l->x.n;
    size_t y_bytes = tensor_count(l->y) * element_bytes(y_type) / (size_t)l->y.n;
    for (size_t i = 0; i < (size_t)l->x.n; i += (size_t)n->forward_images)
        TRY(onednn_op_run(n->forward, x + i * x_bytes, n->copy->memory, y + i * y_bytes, b->scratch));
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

typedef struct subsample_task {
    const device_layer *layer;
    const unsigned char *x;
    unsigned char *out;
    size_t pixel_bytes;
} subsample_task;

/** Lines [begin, end) of n * p: every stride-th pixel of every stride-th line. */
static void subsample(void *context, size_t begin, size_t end) {
    const subsample_task *t = context;
    const device_layer *l = t->layer;
    size_t p = (size_t)l->y.h, q = (size_t)l->y.w, stride = (size_t)l->layer->stride, bytes = t->pixel_bytes;
    for (size_t i = begin; i < end; i++) {
        size_t line = i / p * (size_t)l->x.h + i % p * stride;
        for (size_t j = 0; j < q; j++)
            memcpy(t->out + (i * q + j) * bytes, t->x + (line * (size_t)l->x.w + j * stride) * bytes, bytes);
    }
}

/** x for the weight gradient; its stride is taken out into `work` where the plan says so. */
static void *x_for_weights(const cpu_device *d, const device_layer *l, const device_buffers *b, unsigned char *work) {
    const conv_node *n = l->node;
    if (n->subsample_bytes == 0)
        return (void *)b->x;
    subsample_task t = {l, b->x, work, (size_t)l->x.c * (d->bf16 ? sizeof(uint16_t) : sizeof(float))};
    team_run(d->threads, (size_t)l->y.n * (size_t)l->y.h, SIZE_MAX, TEAM_FORWARD, subsample, &t);
    return work;
}

/** dw into its slot. `work`: subsample_bytes, dw_bytes, then scratch. */
static int weights_backward(const cpu_device *d, const device_layer *l, const device_buffers *b, void *dy,
                            const device_params *p, unsigned char *work) {
    const conv_node *n = l->node;
    void *x = x_for_weights(d, l, b, work);
    unsigned char *dw = work + n->subsample_bytes, *scratch = dw + n->dw_bytes;
    int rc = OK;
    if (n->product != NULL)
        return onednn_op_run(p->accumulate ? n->product_add : n->product, x, p->dweight, dy, scratch);
    if (n->own_product.kernels != NULL) {
        product_run(&n->own_product, p->dweight, dy, x, p->accumulate, scratch);
        return OK;
    }
    if (n->own_weights.kernels != NULL) {
        winograd_dw_run(&n->own_weights, p->dweight, dy, x, p->accumulate, scratch);
        return OK;
    }
    if (n->own_taps.kernels != NULL) {
        taps_run(&n->own_taps, p->dweight, dy, x, p->accumulate, scratch);
        return OK;
    }
    if (n->parts != NULL)
        TRY(weight_parts_run(n->parts, x, dw, dy, scratch));
    else
        TRY(onednn_op_run(n->weights, x, dw, dy, scratch));
    TRY(onednn_reorder_run(p->accumulate ? n->unpack_add : n->unpack, dw, p->dweight, scratch));
done:
    return rc;
}

/** dx. `work`: pack_bytes, then oneDNN's scratch. */
static int data_backward(const device_layer *l, const device_buffers *b, void *dy, const device_params *p,
                         unsigned char *work) {
    const conv_node *n = l->node;
    unsigned char *scratch = work + n->pack_bytes;
    int rc = OK;
    if (n->own_data.kernels != NULL) {
        own_conv_run(&n->own_data, b->dx, dy, p->weight, work);
        return OK;
    }
    if (n->pack != NULL)
        TRY(onednn_reorder_run(n->pack, p->weight, work, scratch));
    else
        TRY(copy_renew(n->copy, p->weight, p->version));
    TRY(onednn_op_run(n->data, b->dx, n->pack != NULL ? work : n->copy->memory, dy, scratch));
done:
    return rc;
}

/** dy is one tensor of x's type. */
static int backward(const cpu_device *d, const device_layer *l, const device_buffers *b, void *dy,
                    const device_params *p) {
    const conv_node *n = l->node;
    int rc = OK;
    unsigned char *work = (unsigned char *)b->scratch + n->dy_bytes;
    double start = p->weights_seconds != NULL ? clock_seconds() : 0;
    TRY(weights_backward(d, l, b, dy, p, work));
    if (p->weights_seconds != NULL)
        *p->weights_seconds += clock_seconds() - start;
    if (l->dx_needed)
        TRY(data_backward(l, b, dy, p, work));
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
        return backward(d, l, b, b->dy[0], p);
    team_run(d->threads, tensor_count(l->y), SIZE_MAX, TEAM_FORWARD, add_gradients, &t);
    return backward(d, l, b, b->scratch, p);
}

int cpu_linear_backward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    const cpu_device *d = device;
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
        return backward(d, l, b, dy, p);
    d->kernels->to_bf16(b->scratch, dy, rows * c);
    return backward(d, l, b, b->scratch, p);
}
