/* Max-pooling (padding counts as -infinity; saved: the winning place in each window) and the mean over the map. */
#include "backend/cpu/cpu.h"
#include "base/status.h"

typedef struct pool_call {
    const kernels *kernels;
    const device_buffers *buffers;
    pool_shape shape;
} pool_call;

static pool_call call_of(const cpu_device *d, const device_layer *l, const device_buffers *b) {
    const layer *t = l->layer;
    return (pool_call){d->kernels, b, {l->x, l->y, t->kernel, t->stride, t->pad, d->bf16, cpu_streams(d, l->x)}};
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
    t->kernels->maxpool(t->buffers->y, t->buffers->saved, t->buffers->x, &t->shape, begin, end);
}

static void maxpool_gradient_task(void *context, size_t begin, size_t end) {
    const pool_call *t = context;
    const device_buffers *b = t->buffers;
    t->kernels->maxpool_gradient(b->dx, b->saved, (const void *const *)b->dy, &t->shape, begin, end);
}

int cpu_maxpool_forward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    (void)p;
    const cpu_device *d = device;
    pool_call t = call_of(d, l, b);
    team_run(d->threads, (size_t)l->y.n * (size_t)l->y.h, SIZE_MAX, TEAM_FORWARD, maxpool_task, &t);
    return OK;
}

int cpu_maxpool_backward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    (void)p;
    const cpu_device *d = device;
    pool_call t = call_of(d, l, b);
    if (b->dx != NULL)
        team_run(d->threads, (size_t)l->x.n * (size_t)l->x.h, SIZE_MAX, TEAM_FORWARD, maxpool_gradient_task, &t);
    return OK;
}

int cpu_avgpool_plan(void *device, device_layer *l) {
    (void)device, (void)l;
    return OK;
}

static void avgpool_task(void *context, size_t begin, size_t end) {
    const pool_call *t = context;
    t->kernels->avgpool(t->buffers->y, t->buffers->x, &t->shape, begin, end);
}

static void avgpool_gradient_task(void *context, size_t begin, size_t end) {
    const pool_call *t = context;
    const device_buffers *b = t->buffers;
    t->kernels->avgpool_gradient(b->dx, (const void *const *)b->dy, &t->shape, begin, end);
}

int cpu_avgpool_forward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    (void)p;
    const cpu_device *d = device;
    pool_call t = call_of(d, l, b);
    team_run(d->threads, (size_t)l->y.n, SIZE_MAX, TEAM_FORWARD, avgpool_task, &t);
    return OK;
}

int cpu_avgpool_backward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    (void)p;
    const cpu_device *d = device;
    pool_call t = call_of(d, l, b);
    if (b->dx != NULL)
        team_run(d->threads, (size_t)l->x.n, SIZE_MAX, TEAM_FORWARD, avgpool_gradient_task, &t);
    return OK;
}
