/* Max and average pooling (kernels/pool.cu). */
#include "backend/cuda/gpu.h"
#include "base/status.h"

enum { KERNEL_MAX = 15 }; /* places in a window fit a byte */

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

static pool_args args_of(const device_layer *l, const device_buffers *b) {
    return (pool_args){.x = b->x,
                       .y = b->y,
                       .dy0 = b->dy[0],
                       .dy1 = b->dy[1],
                       .dx = b->dx,
                       .index = b->saved,
                       .n = l->x.n,
                       .h = l->x.h,
                       .w = l->x.w,
                       .c = l->x.c,
                       .p = l->y.h,
                       .q = l->y.w,
                       .kernel = l->layer->kernel,
                       .stride = l->layer->stride,
                       .pad = l->layer->pad};
}

/** One thread a pack of `over`; small blocks where all packs would be few blocks for a whole GPU. */
static int run(const cuda_device *d, kernel f32, const device_layer *l, const device_buffers *b, tensor_shape over) {
    enum { SMALL = 64, FEW = 1 << 16 };
    pool_args a = args_of(l, b);
    size_t packs = tensor_count(over) / (size_t)kernel_pack(l->x.c);
    launch_shape s = launch_threads(packs);
    if (packs <= FEW)
        s = (launch_shape){(unsigned)((packs + SMALL - 1) / SMALL), 1, SMALL, 1};
    return gpu_launch(d, kernel_for_packs(f32, d->type, l->x.c), s, &a);
}

int cuda_maxpool_forward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    (void)p;
    return run(device, KERNEL_maxpool, l, b, l->y);
}

int cuda_maxpool_backward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    (void)p;
    return b->dx != NULL ? run(device, KERNEL_maxpool_gradient, l, b, l->x) : OK;
}

int cuda_avgpool_forward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    (void)p;
    return run(device, KERNEL_avgpool, l, b, l->y);
}

int cuda_avgpool_backward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    (void)p;
    return b->dx != NULL ? run(device, KERNEL_avgpool_gradient, l, b, l->x) : OK;
}
