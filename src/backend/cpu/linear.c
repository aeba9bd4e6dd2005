/* The linear layer: a 1x1 convolution of 1x1 maps, plus a bias. Its outputs are fp32. */
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

/** out (n) = dy[0] + dy[1], from element `first` on; dy[1] only if there are two gradients. */
static void sum_gradients(float *out, const device_layer *l, const conv_backward_args *args, size_t first, size_t n) {
    const float *a = (const float *)args->dy[0] + first, *b = (const float *)args->dy[1] + (l->dy_n > 1 ? first : 0);
    for (size_t i = 0; i < n; i++)
        out[i] = l->dy_n > 1 ? a[i] + b[i] : a[i];
}

static void bias_gradient(float *dbias, const device_layer *l, const conv_backward_args *args, bool accumulate) {
    size_t c = (size_t)l->y.c, rows = (size_t)l->y.n;
    for (size_t k = 0; k < c && dbias != NULL; k++) {
        double sum = accumulate ? (double)dbias[k] : 0;
        for (size_t i = 0; i < rows; i++) {
            float g = 0;
            sum_gradients(&g, l, args, i * c + k, 1);
            sum += (double)g;
        }
        dbias[k] = (float)sum;
    }
}

/** The gradient in the compute type at the start of the workspace. */
static void convert_gradients(const cpu_device *d, const device_layer *l, const conv_backward_args *args) {
    enum { PART = 1024 };
    float part[PART];
    size_t count = tensor_count(l->y);
    for (size_t i = 0; d->bf16 && i < count; i += PART) {
        size_t n = count - i < PART ? count - i : PART;
        sum_gradients(part, l, args, i, n);
        d->kernels->to_bf16((uint16_t *)args->workspace + i, part, n);
    }
    if (!d->bf16)
        sum_gradients(args->workspace, l, args, 0, count);
}

int cpu_linear_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p) {
    const cpu_device *d = device;
    bias_gradient(p->dbias, l, args, p->accumulate);
    if (!d->bf16 && l->dy_n < 2)
        return conv_layer_backward(l, args, args->dy[0], p);
    convert_gradients(d, l, args);
    return conv_layer_backward(l, args, args->workspace, p);
}
