/* Max and average pooling, and shortcuts without parameters (kernels/pool.cu). */
#include "backend/cuda/gpu.h"
#include "base/status.h"

enum { KERNEL_MAX = 15 }; /* an index in the window fits in a byte */

int cuda_maxpool_plan(void *device, device_layer *l) {
    (void)device;
    const layer *t = l->layer;
    if (t->pad >= t->kernel)
        return fail(E_SHAPE, "layer %s: with padding %d some windows of kernel %d are empty", t->name, t->pad,
                    t->kernel);
    if (t->kernel > KERNEL_MAX)
        return fail(E_SHAPE, "layer %s: kernel %d, but the cuda engine supports windows of at most %d x %d", t->name,
                    t->kernel, KERNEL_MAX, KERNEL_MAX);
    l->saved_bytes = l->training ? tensor_count(l->y) : 0;
    return OK;
}

int cuda_avgpool_plan(void *device, device_layer *l) {
    (void)device, (void)l;
    return OK;
}

int cuda_shortcut_plan(void *device, device_layer *l) {
    (void)device, (void)l;
    return OK;
}

static int zero_channels(const device_layer *l) { return (l->y.c - l->x.c) / 2; }

static pool_args args_of(const device_layer *l) {
    return (pool_args){.n = l->x.n,
                       .h = l->x.h,
                       .w = l->x.w,
                       .c = l->x.c,
                       .p = l->y.h,
                       .q = l->y.w,
                       .y_c = l->y.c,
                       .kernel = l->layer->kernel,
                       .stride = l->layer->stride,
                       .pad = l->layer->kind == LAYER_SHORTCUT ? zero_channels(l) : l->layer->pad};
}

/** Number whose packs divide the channels of a layer's tensors: for a shortcut also the zero channels on either side.
 */
static int packed_channels(const device_layer *l, tensor_shape over) {
    return l->layer->kind != LAYER_SHORTCUT ? over.c : l->x.c % 8 == 0 && zero_channels(l) % 8 == 0 ? 8 : 1;
}

/** One thread per pack of `over`. Small tensors use small blocks, so that there are enough blocks for the whole GPU. */
static int run(const cuda_device *d, kernel f32, const pool_args *a, const device_layer *l, tensor_shape over) {
    enum { SMALL = 64, FEW = 1 << 16 };
    int c = packed_channels(l, over);
    size_t packs = tensor_count(over) / (size_t)kernel_pack(c);
    launch_shape s = launch_threads(packs);
    if (packs <= FEW)
        s = (launch_shape){(unsigned)((packs + SMALL - 1) / SMALL), 1, SMALL, 1};
    return gpu_launch(d, kernel_for_packs(f32, d->type, c), s, a);
}

static int forward(const cuda_device *d, kernel f32, const device_layer *l, const pool_forward_args *args) {
    pool_args a = args_of(l);
    a.x = args->x;
    a.y = args->y;
    a.index = args->saved;
    return run(d, f32, &a, l, l->y);
}

static int backward(const cuda_device *d, kernel f32, const device_layer *l, const pool_backward_args *args) {
    pool_args a = args_of(l);
    a.dy0 = args->dy[0];
    a.dy1 = args->dy[1];
    a.dx = args->dx;
    a.index = (void *)args->saved;
    return args->dx != NULL ? run(d, f32, &a, l, l->x) : OK;
}

int cuda_maxpool_forward(void *device, const device_layer *l, const pool_forward_args *args) {
    return forward(device, KERNEL_maxpool, l, args);
}

int cuda_maxpool_backward(void *device, const device_layer *l, const pool_backward_args *args) {
    return backward(device, KERNEL_maxpool_gradient, l, args);
}

int cuda_avgpool_forward(void *device, const device_layer *l, const pool_forward_args *args) {
    return forward(device, KERNEL_avgpool, l, args);
}

int cuda_avgpool_backward(void *device, const device_layer *l, const pool_backward_args *args) {
    return backward(device, KERNEL_avgpool_gradient, l, args);
}

int cuda_shortcut_forward(void *device, const device_layer *l, const pool_forward_args *args) {
    return forward(device, KERNEL_shortcut, l, args);
}

int cuda_shortcut_backward(void *device, const device_layer *l, const pool_backward_args *args) {
    return backward(device, KERNEL_shortcut_gradient, l, args);
}
