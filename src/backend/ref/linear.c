/* Fully connected: y[n,o] = sum_i x[n,i] * w[o,i] + b[o]; equals torch.nn.functional.linear.
 * dx = dy w, dw = dy' x, db = sum_n dy. */
#include "backend/ref/ref.h"
#include "base/status.h"

#include <string.h>

int ref_linear_plan(void *device, device_layer *l) {
    (void)device;
    if (l->x.h * l->x.w != 1)
        return fail(E_SHAPE, "layer %s: a linear layer needs an input of 1 x 1, not %d x %d", l->layer->name, l->x.h,
                    l->x.w);
    size_t weights = (size_t)l->x.c * (size_t)l->y.c, outputs = tensor_count(l->y);
    l->workspace_bytes = (weights > outputs ? weights : outputs) * sizeof(double); /* transposed w, or the sum of dy */
    return 0;
}

int ref_linear_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p) {
    (void)device;
    const double *weight = p->weight, *bias = p->bias;
    double *transposed = args->workspace, *y = args->y;
    size_t in = (size_t)l->x.c, out = (size_t)l->y.c;
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i++)
            transposed[i * out + o] = weight[o * in + i];
    for (size_t i = 0, n = tensor_count(l->y); i < n; i++)
        y[i] = bias != NULL ? bias[i % out] : 0;
    ref_gemm(y, out, args->x, in, 1, transposed, out, l->x.n, l->y.c, l->x.c);
    return 0;
}

int ref_linear_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p) {
    (void)device;
    double *dy = args->workspace, *dweight = p->dweight, *dbias = p->dbias;
    size_t in = (size_t)l->x.c, out = (size_t)l->y.c, n = tensor_count(l->y);
    for (size_t i = 0; i < n; i++)
        dy[i] = ref_dy(l, args->dy, i);
    if (!p->accumulate)
        memset(dweight, 0, in * out * sizeof *dweight);
    ref_gemm(dweight, in, dy, 1, out, args->x, in, l->y.c, l->x.c, l->x.n);
    if (dbias != NULL && !p->accumulate)
        memset(dbias, 0, out * sizeof *dbias);
    for (size_t i = 0; dbias != NULL && i < n; i++)
        dbias[i % out] += dy[i];
    if (l->dx_needed) {
        memset(args->dx, 0, tensor_count(l->x) * sizeof(double));
        ref_gemm(args->dx, in, dy, out, 1, p->weight, in, l->x.n, l->x.c, l->y.c);
    }
    return 0;
}
