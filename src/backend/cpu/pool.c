/* Max-pooling (padding is -infinity; saved: the index of the maximum in each window) and global average pooling. */
#include "backend/cpu/cpu.h"
#include "base/status.h"

typedef struct pool_call {
    const kernels *kernels;
    pool_shape shape;
    const pool_forward_args *forward; /* one of the two is set */
    const pool_backward_args *backward;
} pool_call;

static pool_call call_of(const cpu_device *d, const device_layer *l) {
    const layer *t = l->layer;
    return (pool_call){.kernels = d->kernels,
                       .shape = {l->x, l->y, t->kernel, t->stride, t->pad, d->bf16, cpu_streams(d, l->x)}};
}

int cpu_maxpool_plan(void *device, device_layer *l) {
    (void)device;
    const layer *t = l->layer;
    if (t->pad >= t->kernel)
        return fail(E_SHAPE, "layer %s: with padding %d some windows of kernel %d are empty", t->name, t->pad,
                    t->kernel);
    if (t->kernel > 16)
        return fail(E_SHAPE, "layer %s: kernel %d, but the cpu engine supports windows of at most 16 x 16", t->name,
                    t->kernel);
    l->saved_bytes = l->training ? tensor_count(l->y) : 0;
    return OK;
}

static void maxpool_task(void *context, size_t begin, size_t end) {
    const pool_call *t = context;
    t->kernels->maxpool(t->forward->y, t->forward->saved, t->forward->x, &t->shape, begin, end);
}

static void maxpool_gradient_task(void *context, size_t begin, size_t end) {
    const pool_call *t = context;
    t->kernels->maxpool_gradient(t->backward->dx, t->backward->saved, t->backward->dy, &t->shape, begin, end);
}

int cpu_maxpool_forward(void *device, const device_layer *l, const pool_forward_args *args) {
    const cpu_device *d = device;
    pool_call t = call_of(d, l);
    t.forward = args;
    parallel_for(d->threads, (size_t)l->y.n * (size_t)l->y.h, SIZE_MAX, LOOP_FORWARD, maxpool_task, &t);
    return OK;
}

int cpu_maxpool_backward(void *device, const device_layer *l, const pool_backward_args *args) {
    const cpu_device *d = device;
    pool_call t = call_of(d, l);
    t.backward = args;
    if (args->dx != NULL)
        parallel_for(d->threads, (size_t)l->x.n * (size_t)l->x.h, SIZE_MAX, LOOP_FORWARD, maxpool_gradient_task, &t);
    return OK;
}

int cpu_avgpool_plan(void *device, device_layer *l) {
    (void)device, (void)l;
    return OK;
}

static void avgpool_task(void *context, size_t begin, size_t end) {
    const pool_call *t = context;
    t->kernels->avgpool(t->forward->y, t->forward->x, &t->shape, begin, end);
}

static void avgpool_gradient_task(void *context, size_t begin, size_t end) {
    const pool_call *t = context;
    t->kernels->avgpool_gradient(t->backward->dx, t->backward->dy, &t->shape, begin, end);
}

int cpu_avgpool_forward(void *device, const device_layer *l, const pool_forward_args *args) {
    const cpu_device *d = device;
    pool_call t = call_of(d, l);
    t.forward = args;
    parallel_for(d->threads, (size_t)l->y.n, SIZE_MAX, LOOP_FORWARD, avgpool_task, &t);
    return OK;
}

int cpu_avgpool_backward(void *device, const device_layer *l, const pool_backward_args *args) {
    const cpu_device *d = device;
    pool_call t = call_of(d, l);
    t.backward = args;
    if (args->dx != NULL)
        parallel_for(d->threads, (size_t)l->x.n, SIZE_MAX, LOOP_FORWARD, avgpool_gradient_task, &t);
    return OK;
}
