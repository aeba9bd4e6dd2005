/** The reference device: plain loops in double, one file per kind of layer, its formula cited. The specification that
 *  the other devices are tested against. Bit-reproducible: one thread, every sum in a fixed order.
 *  Internal to src/backend/ref. */
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
} ref_device;

#define REF_LAYER(kind)                                                                                                \
    int ref_##kind##_plan(void *device, device_layer *l);                                                              \
    int ref_##kind##_forward(void *device, device_layer *l, const device_buffers *b, const device_params *p);          \
    int ref_##kind##_backward(void *device, device_layer *l, const device_buffers *b, const device_params *p);
REF_LAYER(conv)
REF_LAYER(bn)
REF_LAYER(maxpool)
REF_LAYER(avgpool)
REF_LAYER(linear)
#undef REF_LAYER
int ref_bn_recompute(void *device, device_layer *l, const device_buffers *b, const device_params *p);

int ref_loss(void *device, const device_loss *l);
int ref_unscale(void *device, const device_arenas *a);
int ref_update(void *device, const device_arenas *a);

/** c[i,j] += sum_k a[i,k] b[k,j], k in rising order for every element.
 *  a[i,k] stands at a[i * a_row + k * a_column]; rows of b and c are contiguous, b_row and c_row apart. */
void ref_gemm(double *c, size_t c_row, const double *a, size_t a_row, size_t a_column, const double *b, size_t b_row,
              int rows, int columns, int depth);

/** dy[0] + dy[1], element i. */
static inline double ref_dy(const device_layer *l, const device_buffers *b, size_t i) {
    const double *first = b->dy[0], *second = b->dy[1];
    return l->dy_n == 2 ? first[i] + second[i] : first[i];
}

#endif
