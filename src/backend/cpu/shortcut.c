/* A shortcut without parameters (model_add_shortcut). It only copies, so it does not depend on the element type. */
#include "backend/cpu/cpu.h"
#include "base/status.h"

#include <string.h>

typedef struct shortcut_call {
    const device_layer *layer;
    size_t x_bytes, y_bytes, pad_bytes; /* of one pixel of x and y; of the zero channels on either side */
    const char *from;
    char *to;
} shortcut_call;

static shortcut_call call_of(const cpu_device *d, const device_layer *l) {
    size_t each = d->bf16 ? 2 : 4;
    return (shortcut_call){.layer = l,
                           .x_bytes = (size_t)l->x.c * each,
                           .y_bytes = (size_t)l->y.c * each,
                           .pad_bytes = (size_t)(l->y.c - l->x.c) / 2 * each};
}

int cpu_shortcut_plan(void *device, device_layer *l) {
    (void)device;
    if (l->dy_n > 1)
        return fail(E_SHAPE, "layer %s: on the cpu engine, at most one layer can read the output of a shortcut",
                    l->layer->name);
    return OK;
}

/** Rows begin to end - 1 of y. */
static void forward_task(void *context, size_t begin, size_t end) {
    const shortcut_call *t = context;
    const device_layer *l = t->layer;
    size_t rows = (size_t)l->y.h, width = (size_t)l->y.w, stride = (size_t)l->layer->stride;
    for (size_t row = begin; row < end; row++) {
        const char *from = t->from + (row / rows * (size_t)l->x.h + row % rows * stride) * (size_t)l->x.w * t->x_bytes;
        char *to = t->to + row * width * t->y_bytes;
        for (size_t q = 0; q < width; q++, to += t->y_bytes, from += stride * t->x_bytes) {
            memset(to, 0, t->pad_bytes);
            memcpy(to + t->pad_bytes, from, t->x_bytes);
            memset(to + t->pad_bytes + t->x_bytes, 0, t->pad_bytes);
        }
    }
}

/** Rows begin to end - 1 of dx. */
static void backward_task(void *context, size_t begin, size_t end) {
    const shortcut_call *t = context;
    const device_layer *l = t->layer;
    size_t rows = (size_t)l->x.h, width = (size_t)l->y.w, stride = (size_t)l->layer->stride;
    for (size_t row = begin; row < end; row++) {
        char *to = t->to + row * (size_t)l->x.w * t->x_bytes;
        memset(to, 0, (size_t)l->x.w * t->x_bytes);
        if (row % rows % stride != 0)
            continue;
        size_t y_row = row / rows * (size_t)l->y.h + row % rows / stride;
        const char *from = t->from + y_row * width * t->y_bytes + t->pad_bytes;
        for (size_t q = 0; q < width; q++, from += t->y_bytes, to += stride * t->x_bytes)
            memcpy(to, from, t->x_bytes);
    }
}

int cpu_shortcut_forward(void *device, const device_layer *l, const pool_forward_args *args) {
    const cpu_device *d = device;
    shortcut_call t = call_of(d, l);
    t.from = args->x;
    t.to = args->y;
    parallel_for(d->threads, (size_t)l->y.n * (size_t)l->y.h, SIZE_MAX, LOOP_FORWARD, forward_task, &t);
    return OK;
}

int cpu_shortcut_backward(void *device, const device_layer *l, const pool_backward_args *args) {
    const cpu_device *d = device;
    shortcut_call t = call_of(d, l);
    t.from = args->dy[0];
    t.to = args->dx;
    if (args->dx != NULL)
        parallel_for(d->threads, (size_t)l->x.n * (size_t)l->x.h, SIZE_MAX, LOOP_FORWARD, backward_task, &t);
    return OK;
}
