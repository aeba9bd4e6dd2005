/* A shortcut without parameters (model_add_shortcut): y[n,p,q,k] = x[n, p stride, q stride, k - pad], 0 outside.
 * Source: He et al. 2015, "Deep residual learning for image recognition", section 4.1, option A. */
#include "backend/ref/ref.h"

#include <string.h>

int ref_shortcut_plan(void *device, device_layer *l) {
    (void)device, (void)l;
    return 0;
}

/** The first element of the pixel of x from which pixel (p, q) of image n of y is copied. */
static size_t source(const device_layer *l, int n, int p, int q) {
    size_t h = (size_t)p * (size_t)l->layer->stride, w = (size_t)q * (size_t)l->layer->stride;
    return (((size_t)n * (size_t)l->x.h + h) * (size_t)l->x.w + w) * (size_t)l->x.c;
}

int ref_shortcut_forward(void *device, const device_layer *l, const pool_forward_args *args) {
    (void)device;
    const double *x = args->x;
    double *y = args->y;
    size_t pad = (size_t)(l->y.c - l->x.c) / 2;
    memset(y, 0, tensor_count(l->y) * sizeof *y);
    for (int n = 0; n < l->y.n; n++)
        for (int p = 0; p < l->y.h; p++)
            for (int q = 0; q < l->y.w; q++, y += l->y.c)
                memcpy(y + pad, x + source(l, n, p, q), (size_t)l->x.c * sizeof *y);
    return 0;
}

int ref_shortcut_backward(void *device, const device_layer *l, const pool_backward_args *args) {
    (void)device;
    double *dx = args->dx;
    size_t pad = (size_t)(l->y.c - l->x.c) / 2, i = 0;
    if (!l->dx_needed)
        return 0;
    memset(dx, 0, tensor_count(l->x) * sizeof *dx);
    for (int n = 0; n < l->y.n; n++)
        for (int p = 0; p < l->y.h; p++)
            for (int q = 0; q < l->y.w; q++, i += (size_t)l->y.c)
                for (size_t k = 0; k < (size_t)l->x.c; k++)
                    dx[source(l, n, p, q) + k] = ref_dy(l, args->dy, i + pad + k);
    return 0;
}
