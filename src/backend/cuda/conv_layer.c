/* Convolutions by cuDNN; a linear layer is a 1x1 convolution of 1x1 maps.
 *
 * cuDNN reads the weights from the copy in the compute type that the update maintains, at the same offset as in the
 * arena. If that offset is not aligned to 16 bytes, or x is padded to 4 channels, the weights are packed into the
 * workspace before each use. dw is computed in fp32 if cuDNN supports that, otherwise in the compute type. It is
 * written directly to the gradient arena if the layout is the same and gradients are not accumulated, otherwise through
 * the workspace. Logits and their gradient are fp32.
 *
 * Measurements decide which parts of the preceding and following BN are fused into a convolution
 * (fused_conv_bn_stats.c, fused_bn_relu_conv.c, fused_dgrad_bn_bwd.c). */
#include "backend/cuda/cudnn_conv.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>

typedef struct conv_node {
    convolution *forward, *dgrad, *wgrad; /* owned by the device; wgrad only in training, dgrad only if dx is needed */
    element dw;
    bool packed;
    size_t rows, c, c_padded; /* of the weights: k * r * s; channels in the arena and in the packed copy */
    /* sizes of the consecutive workspace parts: y or dy in the compute type, dw, packed weights; cuDNN's workspace
     * follows */
    size_t dy_bytes, dw_bytes, packed_bytes;
} conv_node;

enum { ALIGNED_ELEMENTS = 8 }; /* 16 bytes of a 16-bit type */
enum { BN_SUMS = 5 };          /* dbeta, dgamma, and three factors that cuDNN also outputs */

/** Forward and wgrad, with the parts of the adjacent BNs that are fused into them. */
static int find_pair(convolution_pair *out, cuda_device *d, const device_layer *l, const convolution_shape *s) {
    convolution_pair fused = {0};
    int rc = OK;
    *out = (convolution_pair){.dw = d->type};
    TRY(convolution_find(&out->forward, d, s, CONVOLUTION_FORWARD));
    out->microseconds = convolution_microseconds(out->forward);
    if (l->sums_wanted)
        TRY(fused_conv_bn_stats_find(&out->forward, &out->sums, &out->microseconds, d, s, out->forward,
                                     CONVOLUTION_STATISTICS));
    if (!l->training)
        return OK;
    TRY(wgrad_find(&out->weights, &out->dw, d, s, CONVOLUTION_WGRAD));
    out->microseconds += convolution_microseconds(out->weights);
    if (!l->producer_bn)
        return OK;
    TRY(fused_bn_relu_conv_find(&fused, d, s, l->sums_wanted, out));
    *out = fused.forward != NULL ? fused : *out;
done:
    return rc;
}

static int find_dgrad(convolution **out, cuda_device *d, device_layer *l, const convolution_shape *s) {
    convolution *fused = NULL;
    int rc = OK;
    TRY(convolution_find(out, d, s, CONVOLUTION_DGRAD));
    if (!l->producer_bn)
        return OK;
    TRY(fused_dgrad_bn_bwd_find(&fused, d, s, *out));
    if (fused == NULL)
        return OK;
    *out = fused;
    l->gradient_sums_bytes = BN_SUMS * (size_t)l->x.c * sizeof(float);
done:
    return rc;
}

static int plan(cuda_device *d, device_layer *l, convolution_shape s, size_t dy_bytes) {
    conv_node *n = NULL;
    convolution_pair pair = {0};
    size_t workspace = 0, channels = (size_t)l->layer->in_c / (size_t)s.groups;
    int rc = OK;
    TRY(memory_zeroed(&n, 1, sizeof *n));
    s.type = s.dw = d->type;
    s.estimate = l->estimate;
    n->rows = (size_t)l->layer->out_c * (size_t)s.kernel * (size_t)s.kernel;
    n->c = channels;
    n->c_padded = (size_t)s.x.c / (size_t)s.groups;
    n->packed = n->c_padded != n->c || l->weight_offset % ALIGNED_ELEMENTS != 0;
    n->packed_bytes = n->packed ? memory_round(n->rows * n->c_padded * element_bytes(d->type)) : 0;
    n->dy_bytes = memory_round(dy_bytes);
    TRY(find_pair(&pair, d, l, &s));
    n->forward = pair.forward;
    workspace = convolution_workspace(n->forward);
    l->sums_bytes = pair.sums ? 2 * (size_t)l->y.c * sizeof(float) : 0;
    l->applies_bn = convolution_scales(n->forward);
    if (l->training) {
        n->wgrad = pair.weights;
        n->dw = pair.dw;
        workspace = memory_larger(workspace, convolution_workspace(n->wgrad));
        n->dw_bytes = memory_round(n->rows * n->c_padded * element_bytes(n->dw));
        if (l->dx_needed) {
            TRY(find_dgrad(&n->dgrad, d, l, &s));
            workspace = memory_larger(workspace, convolution_workspace(n->dgrad));
        }
    }
    l->workspace_bytes = n->dy_bytes + n->dw_bytes + n->packed_bytes + workspace;
    l->node = n;
    n = NULL;
done:
    free(n);
    return rc == OK ? OK : fail_context(rc, "layer %s", l->layer->name);
}

int cuda_conv_plan(void *device, device_layer *l) {
    cuda_device *d = device;
    const layer *t = l->layer;
    convolution_shape s = {.x = l->x,
                           .y = l->y,
                           .kernel = t->kernel,
                           .stride = t->stride,
                           .pad = t->pad,
                           .groups = t->groups > 0 ? t->groups : 1};
    s.x.c = l->x_channels;
    return plan(d, l, s, l->dy_n > 1 ? tensor_count(l->y) * element_bytes(d->type) : 0);
}

int cuda_linear_plan(void *device, device_layer *l) {
    cuda_device *d = device;
    if (l->x.h * l->x.w != 1)
        return fail(E_SHAPE, "layer %s: a linear layer needs an input of 1 x 1, not %d x %d", l->layer->name, l->x.h,
                    l->x.w);
    return plan(d, l, (convolution_shape){.x = l->x, .y = l->y, .kernel = 1, .stride = 1, .groups = 1},
                tensor_count(l->y) * element_bytes(d->type));
}

void cuda_conv_destroy(void *device, device_layer *l) {
    (void)device;
    free(l->node);
    l->node = NULL;
}

void cuda_conv_algorithm(engine_algorithm *out, const device_layer *l, engine_pass pass) {
    const conv_node *n = l->node;
    const convolution *c = pass == PASS_FORWARD ? n->forward : pass == PASS_WGRAD ? n->wgrad : n->dgrad;
    if (c != NULL)
        convolution_describe(out, c);
}

/** Parts of the workspace. */
typedef struct conv_workspace {
    unsigned char *dy, *dw, *packed, *cudnn;
} conv_workspace;

static conv_workspace workspace_of(const conv_node *n, void *memory) {
    conv_workspace s = {.dy = memory};
    s.dw = s.dy + n->dy_bytes;
    s.packed = s.dw + n->dw_bytes;
    s.cudnn = s.packed + n->packed_bytes;
    return s;
}

static weights_args weights_of(const conv_node *n, void *slot, void *copy) {
    return (weights_args){.slot = slot, .copy = copy, .rows = n->rows, .c = (int)n->c, .c_padded = (int)n->c_padded};
}

/** The weights in cuDNN's layout; packs them if needed. */
static int find_copy(const void **w, const cuda_device *d, const device_layer *l, const device_params *p,
                     const conv_workspace *s) {
    const conv_node *n = l->node;
    weights_args a = weights_of(n, (void *)p->weight, s->packed);
    *w = n->packed         ? s->packed
         : d->copy != NULL ? (const void *)((const unsigned char *)d->copy + l->weight_offset * element_bytes(d->type))
                           : p->weight;
    return n->packed
               ? gpu_launch(d, kernel_for(KERNEL_weights_pack, d->type), launch_threads(n->rows * n->c_padded), &a)
               : OK;
}

/** Sets the tensors of the BN that produced x which a convolution may read. */
static void name_bn(const void *tensor[TENSORS], const cuda_device *d, const device_layer *l,
                    const producer_bn_args *bn) {
    size_t c = (size_t)l->x.c;
    if (bn->saved == NULL)
        return;
    bn_saved s = cuda_bn_saved(l->x, bn->saved);
    tensor[TENSOR_SCALE] = s.rounded;
    tensor[TENSOR_SHIFT] = (const unsigned char *)s.rounded + c * element_bytes(d->type);
    tensor[TENSOR_BN_X] = bn->x;
    tensor[TENSOR_MEAN] = s.mean;
    tensor[TENSOR_INV_STD] = s.inv_std;
    tensor[TENSOR_GAMMA] = s.affine;
    tensor[TENSOR_BETA] = s.affine + c;
    if (l->applies_bn)
        tensor[TENSOR_X] = bn->x;
}

static int forward(const cuda_device *d, const device_layer *l, const conv_forward_args *args, void *y,
                   const device_params *p, const conv_workspace *s) {
    const conv_node *n = l->node;
    const void *tensor[TENSORS] = {[TENSOR_X] = args->x, [TENSOR_Y] = y};
    int rc = OK;
    name_bn(tensor, d, l, &args->producer);
    if (args->sums != NULL) {
        tensor[TENSOR_SUM] = args->sums;
        tensor[TENSOR_SQUARES] = (const float *)args->sums + l->y.c;
    }
    TRY(find_copy(&tensor[TENSOR_W], d, l, p, s));
    TRY(convolution_run(d, n->forward, tensor, s->cudnn));
done:
    return rc;
}

int cuda_conv_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p) {
    conv_workspace s = workspace_of(l->node, args->workspace);
    return forward(device, l, args, args->y, p, &s);
}

int cuda_linear_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p) {
    const cuda_device *d = device;
    conv_workspace s = workspace_of(l->node, args->workspace);
    linear_args a = {.x = s.dy, .y = args->y, .bias = p->bias, .n = l->y.n, .c = l->y.c};
    int rc = OK;
    TRY(forward(d, l, args, s.dy, p, &s));
    TRY(gpu_launch(d, kernel_for(KERNEL_logits, d->type), launch_threads(tensor_count(l->y)), &a));
done:
    return rc;
}

/** Computes dw and stores it in the gradient arena. */
static int wgrad(const cuda_device *d, const device_layer *l, const conv_backward_args *args, const void *dy,
                 const device_params *p, const conv_workspace *s) {
    const conv_node *n = l->node;
    bool direct = n->dw == ELEMENT_F32 && !n->packed && !p->accumulate;
    const void *tensor[TENSORS] = {[TENSOR_X] = args->x, [TENSOR_W] = direct ? p->dweight : s->dw, [TENSOR_Y] = dy};
    weights_args a = weights_of(n, p->dweight, s->dw);
    int rc = OK;
    name_bn(tensor, d, l, &args->producer);
    TRY(convolution_run(d, n->wgrad, tensor, s->cudnn));
    if (direct)
        return OK;
    a.accumulate = p->accumulate;
    TRY(gpu_launch(d, kernel_for(KERNEL_weights_add, n->dw), launch_threads(n->rows * n->c), &a));
done:
    return rc;
}

static int timed_wgrad(cuda_device *d, const device_layer *l, const conv_backward_args *args, const void *dy,
                       const device_params *p, const conv_workspace *s) {
    int rc = OK;
    if (p->wgrad_seconds == NULL)
        return wgrad(d, l, args, dy, p, s);
    TRY(cuda_time_begin(d));
    TRY(wgrad(d, l, args, dy, p, s));
    TRY(cuda_time_end(p->wgrad_seconds, d));
done:
    return rc;
}

/** Computes dx and, if the layer outputs them, its sums. The first two sums are those that BN uses. */
static int dgrad(const cuda_device *d, const device_layer *l, const conv_backward_args *args, const void *dy,
                 const device_params *p, const conv_workspace *s) {
    static const convolution_tensor sums[BN_SUMS] = {TENSOR_DBETA, TENSOR_DGAMMA, TENSOR_EQ_DY_SCALE, TENSOR_EQ_X_SCALE,
                                                     TENSOR_EQ_BIAS};
    const conv_node *n = l->node;
    const void *tensor[TENSORS] = {[TENSOR_Y] = dy};
    int rc = OK;
    name_bn(tensor, d, l, &args->producer);
    tensor[TENSOR_X] = args->dx;
    for (int i = 0; i < BN_SUMS && args->gradient_sums != NULL; i++)
        tensor[sums[i]] = (const float *)args->gradient_sums + (size_t)i * (size_t)l->x.c;
    TRY(find_copy(&tensor[TENSOR_W], d, l, p, s));
    TRY(convolution_run(d, n->dgrad, tensor, s->cudnn));
done:
    return rc;
}

/** dy: one tensor in the compute type. */
static int backward(cuda_device *d, const device_layer *l, const conv_backward_args *args, const void *dy,
                    const device_params *p, const conv_workspace *s) {
    const conv_node *n = l->node;
    int rc = OK;
    TRY(timed_wgrad(d, l, args, dy, p, s));
    if (n->dgrad != NULL)
        TRY(dgrad(d, l, args, dy, p, s));
done:
    return rc;
}

int cuda_conv_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p) {
    cuda_device *d = device;
    conv_workspace s = workspace_of(l->node, args->workspace);
    size_t count = tensor_count(l->y), pieces = 8;
    convert_args a = {.out = s.dy, .a = args->dy[0], .b = args->dy[1], .n = count};
    int rc = OK;
    if (l->dy_n < 2)
        return backward(d, l, args, args->dy[0], p, &s);
    TRY(gpu_launch(d, kernel_for(KERNEL_add, d->type), launch_threads((count + pieces - 1) / pieces), &a));
    TRY(backward(d, l, args, s.dy, p, &s));
done:
    return rc;
}

int cuda_linear_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p) {
    cuda_device *d = device;
    conv_workspace s = workspace_of(l->node, args->workspace);
    enum { COLUMNS = 32, ROWS = 8 };
    linear_args a = {.dy0 = args->dy[0],
                     .dy1 = args->dy[1],
                     .dx = s.dy,
                     .dbias = p->dbias,
                     .n = l->y.n,
                     .c = l->y.c,
                     .accumulate = p->accumulate};
    int rc = OK;
    TRY(gpu_launch(d, kernel_for(KERNEL_logits_gradient, d->type), launch_threads(tensor_count(l->y)), &a));
    if (p->dbias != NULL)
        TRY(gpu_launch(d, KERNEL_linear_bias,
                       (launch_shape){((unsigned)l->y.c + COLUMNS - 1) / COLUMNS, 1, COLUMNS, ROWS}, &a));
    TRY(backward(d, l, args, s.dy, p, &s));
done:
    return rc;
}
