/* Max-pooling: y[n,p,q,c] = max_{r,s} x[n, p*stride+r-pad, q*stride+s-pad, c], with -infinity as padding. The gradient
 * goes only to the position of the maximum: the first in row-major order of the window; NaN counts as larger than all
 * numbers. Equals torch.nn.functional.max_pool2d. */
#include "backend/ref/ref.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

int ref_maxpool_plan(void *device, device_layer *l) {
    (void)device;
    if (l->layer->pad >= l->layer->kernel)
        return fail(E_SHAPE, "layer %s: with padding %d some windows of kernel %d are empty", l->layer->name,
                    l->layer->pad, l->layer->kernel);
    l->saved_bytes = tensor_count(l->y) * sizeof(int32_t); /* h * width + w of each maximum */
    return 0;
}

/** Position of the maximum of channel c of one image in the window with the top left corner (h0, w0). */
static int32_t maximum(const double *x, const device_layer *l, int h0, int w0, int c) {
    int32_t best = -1;
    double value = -INFINITY;
    for (int h = h0 < 0 ? 0 : h0; h < h0 + l->layer->kernel && h < l->x.h; h++)
        for (int w = w0 < 0 ? 0 : w0; w < w0 + l->layer->kernel && w < l->x.w; w++) {
            int32_t at = h * l->x.w + w;
            double v = x[(size_t)at * (size_t)l->x.c + (size_t)c];
            if (best < 0 || v > value || isnan(v)) {
                best = at;
                value = v;
            }
        }
    return best;
}

int ref_maxpool_forward(void *device, const device_layer *l, const pool_forward_args *args) {
    (void)device;
    const double *x = args->x;
    double *y = args->y;
    int32_t *from = args->saved;
    size_t image = (size_t)l->x.h * (size_t)l->x.w * (size_t)l->x.c, i = 0;
    for (int n = 0; n < l->y.n; n++, x += image)
        for (int p = 0; p < l->y.h; p++)
            for (int q = 0; q < l->y.w; q++)
                for (int c = 0; c < l->y.c; c++, i++) {
                    from[i] =
                        maximum(x, l, p * l->layer->stride - l->layer->pad, q * l->layer->stride - l->layer->pad, c);
                    y[i] = x[(size_t)from[i] * (size_t)l->x.c + (size_t)c];
                }
    return 0;
}

int ref_maxpool_backward(void *device, const device_layer *l, const pool_backward_args *args) {
    (void)device;
    const int32_t *from = args->saved;
    double *dx = args->dx;
    if (!l->dx_needed)
        return 0;
    size_t c = (size_t)l->y.c, x_image = (size_t)l->x.h * (size_t)l->x.w * c;
    size_t y_image = (size_t)l->y.h * (size_t)l->y.w * c, n = tensor_count(l->y);
    memset(dx, 0, tensor_count(l->x) * sizeof *dx);
    for (size_t i = 0; i < n; i++)
        dx[i / y_image * x_image + (size_t)from[i] * c + i % c] += ref_dy(l, args->dy, i);
    return 0;
}
