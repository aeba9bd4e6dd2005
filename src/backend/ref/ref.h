/** The reference device: plain loops in double, one file per kind of layer, with its formula and source. It is the
 *  specification that the other devices are tested against. Results are bit-reproducible: one thread, every sum in a
 *  fixed order. Internal to src/backend/ref. */
#ifndef LINNET_BACKEND_REF_REF_H
#define LINNET_BACKEND_REF_REF_H

#include "backend/backend.h"

typedef struct ref_device {
    engine_options options;
    engine_hyper hyper;
    engine_result_data result;
    /* labels of the loaded batch */
    int label_n, label_capacity;
    int32_t *label, *label_b;
    double *mix;
    double *class_weight; /* NULL until set */
    uint8_t *kept;        /* of load_drop_path */
    int kept_images;
} ref_device;

int ref_conv_plan(void *device, device_layer *l);
int ref_conv_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p);
int ref_conv_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p);

int ref_linear_plan(void *device, device_layer *l);
int ref_linear_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p);
int ref_linear_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p);

int ref_bn_plan(void *device, device_layer *l);
int ref_bn_forward(void *device, const device_layer *l, const bn_forward_args *args, const device_params *p);
int ref_bn_backward(void *device, const device_layer *l, const bn_backward_args *args, const device_params *p);
int ref_bn_recompute(void *device, const device_layer *l, const bn_recompute_args *args, const device_params *p);

int ref_maxpool_plan(void *device, device_layer *l);
int ref_maxpool_forward(void *device, const device_layer *l, const pool_forward_args *args);
int ref_maxpool_backward(void *device, const device_layer *l, const pool_backward_args *args);

int ref_avgpool_plan(void *device, device_layer *l);
int ref_avgpool_forward(void *device, const device_layer *l, const pool_forward_args *args);
int ref_avgpool_backward(void *device, const device_layer *l, const pool_backward_args *args);

int ref_shortcut_plan(void *device, device_layer *l);
int ref_shortcut_forward(void *device, const device_layer *l, const pool_forward_args *args);
int ref_shortcut_backward(void *device, const device_layer *l, const pool_backward_args *args);

int ref_set_class_weights(void *device, const double *weight, int n);
/** d of row `row` of a BN (model_set_drop_path); 1 if it does not drop. */
double ref_drop_path(const ref_device *d, const device_layer *l, size_t row);
int ref_loss(void *device, const device_loss *l);
int ref_unscale(void *device, const device_arenas *a);
int ref_update(void *device, const device_arenas *a);

/** c[i,j] += sum_k a[i,k] b[k,j], with k in ascending order for every element. a[i,k] is at
 *  a[i * a_row + k * a_column]; rows of b and c are contiguous, with strides b_row and c_row. */
void ref_gemm(double *c, size_t c_row, const double *a, size_t a_row, size_t a_column, const double *b, size_t b_row,
              int rows, int columns, int depth);

/** Element i of the gradient of y: dy[0] + dy[1], or dy[0] if there is only one. */
static inline double ref_dy(const device_layer *l, const void *const dy[2], size_t i) {
    const double *first = dy[0], *second = dy[1];
    return l->dy_n == 2 ? first[i] + second[i] : first[i];
}

#endif
