/* The linear layer: a 1x1 convolution of 1x1 maps, and a bias. Its outputs are fp32. */
#include "backend/cpu/conv.h"
#include "base/status.h"

int cpu_linear_plan(void *device, device_layer *l) {
    cpu_device *d = device;
    onednn_conv c = {.name = l->layer->name,
                     .x = l->x,
                     .y = l->y,
                     .kernel = 1,
                     .stride = 1,
                     .groups = 1,
                     .x_type = d->bf16 ? ELEMENT_BF16 : ELEMENT_F32,
                     .y_type = ELEMENT_F32,
                     .training = l->training};
    return conv_layer_plan(d, l, &c);
}

int cpu_linear_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p) {
    int rc = OK;
    TRY(cpu_conv_forward(device, l, args, p));
    if (p->bias == NULL)
        return OK;
    float *y = args->y;
    const float *bias = p->bias;
    for (int i = 0; i < l->y.n; i++)
        for (int k = 0; k < l->y.c; k++)
            y[(size_t)i * (size_t)l->y.c + (size_t)k] += bias[k];
done:
    return rc;
}

int cpu_linear_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p) {
    const cpu_device *d = device;
    float *dy = args->dy[0], *dbias = p->dbias;
    size_t c = (size_t)l->y.c, rows = (size_t)l->y.n;
    if (l->dy_n > 1)
        for (size_t i = 0; i < rows * c; i++)
            dy[i] += ((const float *)args->dy[1])[i];
    for (size_t k = 0; k < c && dbias != NULL; k++) {
        double sum = p->accumulate ? (double)dbias[k] : 0;
        for (size_t i = 0; i < rows; i++)
            sum += (double)dy[i * c + k];
        dbias[k] = (float)sum;
    }
    if (!d->bf16)
        return conv_layer_backward(l, args, dy, p);
    d->kernels->to_bf16(args->workspace, dy, rows * c);
    return conv_layer_backward(l, args, args->workspace, p);
}
