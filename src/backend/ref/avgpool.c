/* Global average pooling: y[n,c] = mean_{h,w} x[n,h,w,c]; equals torch.nn.AdaptiveAvgPool2d(1). */
#include "backend/ref/ref.h"

int ref_avgpool_plan(void *device, device_layer *l) {
    (void)device, (void)l;
    return 0;
}

int ref_avgpool_forward(void *device, const device_layer *l, const pool_forward_args *args) {
    (void)device;
    const double *x = args->x;
    double *y = args->y;
    size_t c = (size_t)l->x.c, area = (size_t)l->x.h * (size_t)l->x.w;
    for (int n = 0; n < l->x.n; n++, y += c) {
        for (size_t k = 0; k < c; k++)
            y[k] = 0;
        for (size_t i = 0; i < area; i++, x += c)
            for (size_t k = 0; k < c; k++)
                y[k] += x[k];
        for (size_t k = 0; k < c; k++)
            y[k] /= (double)area;
    }
    return 0;
}

int ref_avgpool_backward(void *device, const device_layer *l, const pool_backward_args *args) {
    (void)device;
    double *dx = args->dx;
    size_t c = (size_t)l->x.c, area = (size_t)l->x.h * (size_t)l->x.w, n = tensor_count(l->x);
    for (size_t i = 0; l->dx_needed && i < n; i++)
        dx[i] = ref_dy(l, args->dy, i / (area * c) * c + i % c) / (double)area;
    return 0;
}
