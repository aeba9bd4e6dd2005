/** The CPU device: oneDNN and native kernels for convolutions and the linear layer, native kernels for everything else.
 *  Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_CPU_H
#define LINNET_BACKEND_CPU_CPU_H

#include "backend/cpu/algo/onednn.h"
#include "backend/cpu/algo/packed_weights.h"
#include "backend/cpu/simd/kernels.h"
#include "backend/parallel_for.h"

/** A piece of an update range, for one thread. */
typedef struct update_chunk {
    size_t begin, end;
    int range;
} update_chunk;

typedef struct cpu_device {
    engine_options options;
    bool bf16;
    int threads;
    char description[128];
    onednn *onednn;
    cpu_level level;
    const kernels *kernels; /* for the level */
    packed_weights packed;

    engine_hyper hyper;
    engine_result_data result;
    double *chunk_sum; /* (chunk_n) sums of squares */
    size_t chunk_n;
    update_chunk *update; /* (update_n) the pieces of the update ranges; NULL until the first update */
    size_t update_n;
    double *update_sums; /* (update_n, 2) LAMB, LARS: sums of squares */
    float *trust;        /* (range_n) LAMB, LARS: trust ratios */

    float table[3][256]; /* normalised value of each pixel value, per channel */
    uint16_t table_bf16[3][256];

    int label_n, label_capacity;
    int32_t *label, *label_b;
    float *mix;
    double *image_loss;   /* (label_capacity) */
    int *image_rank;      /* (label_capacity) number of classes ranked before the label */
    double *class_weight; /* NULL until set */
    uint8_t *kept;        /* of load_drop_path */
    int kept_images;
} cpu_device;

/** Whether a tensor of x's shape should be written with non-temporal stores. */
bool cpu_streams(const cpu_device *d, tensor_shape x);

int cpu_conv_plan(void *device, device_layer *l);
int cpu_conv_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p);
int cpu_conv_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p);
void cpu_conv_destroy(void *device, device_layer *l);
/** Also for linear layers. */
void cpu_conv_algorithm(engine_algorithm *out, const device_layer *l, engine_pass pass);

int cpu_linear_plan(void *device, device_layer *l);
int cpu_linear_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p);
int cpu_linear_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p);

int cpu_bn_plan(void *device, device_layer *l);
int cpu_bn_forward(void *device, const device_layer *l, const bn_forward_args *args, const device_params *p);
int cpu_bn_backward(void *device, const device_layer *l, const bn_backward_args *args, const device_params *p);
int cpu_bn_recompute(void *device, const device_layer *l, const bn_recompute_args *args, const device_params *p);

int cpu_maxpool_plan(void *device, device_layer *l);
int cpu_maxpool_forward(void *device, const device_layer *l, const pool_forward_args *args);
int cpu_maxpool_backward(void *device, const device_layer *l, const pool_backward_args *args);

int cpu_avgpool_plan(void *device, device_layer *l);
int cpu_avgpool_forward(void *device, const device_layer *l, const pool_forward_args *args);
int cpu_avgpool_backward(void *device, const device_layer *l, const pool_backward_args *args);

int cpu_shortcut_plan(void *device, device_layer *l);
int cpu_shortcut_forward(void *device, const device_layer *l, const pool_forward_args *args);
int cpu_shortcut_backward(void *device, const device_layer *l, const pool_backward_args *args);

int cpu_set_class_weights(void *device, const double *weight, int n);
/** Reads (n, classes) fp32 logits, writes the loss and rank per image and dlogits, and adds to the result. */
int cpu_loss(void *device, const device_loss *l);

int cpu_unscale(void *device, const device_arenas *a);
int cpu_update(void *device, const device_arenas *a);
int cpu_compress_gradients(void *device, void *half, const void *gradient, size_t n, int ranks);
int cpu_decompress_gradients(void *device, void *gradient, const void *half, size_t n);

int cpu_peaks(void *device, engine_peaks *out);

#endif
