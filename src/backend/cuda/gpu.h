/** The CUDA device: one GPU, NHWC activations in fp16, bf16 or fp32, cuDNN for convolutions, native kernels for
 *  everything else. A whole step runs on one stream; batches are copied to the GPU on a second one. Internal to
 *  src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_GPU_H
#define LINNET_BACKEND_CUDA_GPU_H

#include "backend/backend.h"
#include "backend/cuda/autotune_cache.h"
#include "backend/cuda/cudnn.h"
#include "backend/cuda/driver.h"
#include "backend/cuda/kernels.h"

/** Staging buffer for one batch: pinned memory and its copy on the GPU. Layout: pixels, labels, second labels, mixing
 *  weights. */
typedef struct staging_buffer {
    unsigned char *pinned;
    CUdeviceptr memory;
    size_t bytes;
    CUevent copied, used; /* after copied, `pinned` may be overwritten; after used, `memory` */
} staging_buffer;

enum { UPLOAD_SLOTS = 2, RESULT_NOW = DEVICE_RESULTS, RESULT_ENTRIES = DEVICE_RESULTS + 1 };

typedef struct convolution convolution;

/** The work between two timing events. */
typedef struct timed_span {
    CUevent start, end;
    double *seconds; /* its time is added here; NULL: not ended */
} timed_span;

enum { SPANS_OPEN = 4 }; /* maximum nesting depth */

enum { PADDED_CHANNELS = 4 }; /* channels of an image in memory */

typedef struct cuda_device {
    engine_options options;
    const cuda_driver *driver;
    const cudnn_library *cudnn;
    int index, major, minor; /* index of the GPU, its compute capability */
    CUdevice gpu;
    CUcontext context;
    CUstream stream, copies;
    cudnnHandle_t handle;
    kernels_loaded kernels;
    char description[256];
    element type; /* compute type: of activations and of the weights that convolutions read */

    cuda_state *state;                   /* in GPU memory */
    cuda_result *result[RESULT_ENTRIES]; /* pinned copies of posted results */
    CUevent posted[RESULT_ENTRIES];
    staging_buffer upload[UPLOAD_SLOTS];
    unsigned uploads;         /* number of uploads so far; selects the next slot */
    size_t label_capacity;    /* images */
    int32_t *label, *label_b; /* of the loaded batch, in GPU memory */
    float *mix;
    double *image_loss;
    int32_t *image_rank;
    int label_n;
    double *class_weight; /* (classes) in GPU memory; NULL until set */
    uint8_t *kept;        /* of load_drop_path, in GPU memory */
    int kept_images;
    size_t kept_capacity;
    uint8_t *kept_pinned[UPLOAD_SLOTS]; /* (kept_capacity) staging */
    CUevent kept_copied[UPLOAD_SLOTS];
    unsigned kept_loads;

    void *copy; /* all weights in `type`, at the same offsets as in the arena; NULL in fp32 */
    size_t copy_bytes;
    uint64_t copied_version; /* the `written` version that `copy` reflects */
    cuda_range *range;
    int range_n;
    double *part; /* (UPDATE_BLOCKS) */
    int *overflow;
    cuda_chunk *chunk; /* (chunk_n) LAMB, LARS; NULL: other optimizers */
    int chunk_n;
    double *chunk_sums; /* (chunk_n, 2) */
    float *trust;       /* (range_n) */

    double *joined;      /* pinned, used by bn_join.c */
    int joined_channels; /* capacity of `joined` */

    comm *exchange; /* all-reduce of gradients (nccl_allreduce.h); NULL: options.comm does it */
    autotune_cache autotune;
    convolution **convolution; /* cache, one per pass and shape */
    int convolution_n;
    timed_span *span; /* for the profile; span_n of span_room entries are in use */
    int span_n, span_room;
    int open[SPANS_OPEN], open_n; /* indices of the open spans */
    unsigned generation;          /* incremented when memory that captured steps use moves */
} cuda_device;

/** The driver represents addresses as integers. */
static inline void *gpu_pointer(CUdeviceptr address) {
    return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr): the driver's type */
}

/** Queues a kernel on the device's stream. */
static inline int gpu_launch(const cuda_device *d, kernel which, launch_shape s, const void *args) {
    return kernel_launch(&d->kernels, d->stream, which, s, args);
}

/** Allocates zero-filled memory. @return 0, E_NOMEM (the message states the size), E_DEVICE */
int gpu_allocate(void **out, void *device, size_t bytes);
void gpu_release(void *device, void *memory, size_t bytes);
int gpu_wait(void *device);

/** Measures the time of the work that `queue` queues: the minimum of several runs after one warm-up run, microseconds.
 *  @return 0, E_DEVICE, or the error of `queue` */
int gpu_time(double *microseconds, const cuda_device *d, int (*queue)(void *what), void *what);

int cuda_time_begin(void *device);
int cuda_time_end(double *seconds, void *device);
int cuda_time_read(void *device);
void cuda_time_deinit(cuda_device *d);

int cuda_conv_plan(void *device, device_layer *l);
int cuda_conv_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p);
int cuda_conv_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p);

int cuda_linear_plan(void *device, device_layer *l);
int cuda_linear_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p);
int cuda_linear_backward(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p);

int cuda_bn_plan(void *device, device_layer *l);
int cuda_bn_forward(void *device, const device_layer *l, const bn_forward_args *args, const device_params *p);
int cuda_bn_backward(void *device, const device_layer *l, const bn_backward_args *args, const device_params *p);
int cuda_bn_recompute(void *device, const device_layer *l, const bn_recompute_args *args, const device_params *p);

int cuda_maxpool_plan(void *device, device_layer *l);
int cuda_maxpool_forward(void *device, const device_layer *l, const pool_forward_args *args);
int cuda_maxpool_backward(void *device, const device_layer *l, const pool_backward_args *args);

int cuda_avgpool_plan(void *device, device_layer *l);
int cuda_avgpool_forward(void *device, const device_layer *l, const pool_forward_args *args);
int cuda_avgpool_backward(void *device, const device_layer *l, const pool_backward_args *args);

int cuda_shortcut_plan(void *device, device_layer *l);
int cuda_shortcut_forward(void *device, const device_layer *l, const pool_forward_args *args);
int cuda_shortcut_backward(void *device, const device_layer *l, const pool_backward_args *args);
/** Values that BN saves in a training forward for the following convolution: c channels, aligned to 16 bytes if c is a
 *  multiple of 8. */
typedef struct bn_saved {
    float *mean, *inv_std; /* (c) */
    float *factor;         /* (2, c) y = relu(x * f0 + f1) */
    float *affine;         /* (2, c) gamma, beta */
    void *rounded;         /* (2, c) factor in the compute type */
} bn_saved;
bn_saved cuda_bn_saved(tensor_shape x, void *saved);
size_t cuda_bn_part_bytes(tensor_shape x);
/** For measurements: cuda_bn_queue_pass queues one of BN's own passes over x (bn_sums, bn_apply, bn_gradient_sums) with
 *  ReLU; cuda_bn_pass_bytes is the size of the memory that it needs. */
size_t cuda_bn_pass_bytes(const cuda_device *d, tensor_shape x);
int cuda_bn_queue_pass(const cuda_device *d, tensor_shape x, kernel f32, void *memory);
void cuda_conv_destroy(void *device, device_layer *l);
void cuda_conv_algorithm(engine_algorithm *out, const device_layer *l, engine_pass pass);

int cuda_load_batch(void *device, void *x, int channels, const batch *b);
int cuda_load_drop_path(void *device, const uint8_t *kept, int blocks, int images);
void cuda_upload_deinit(cuda_device *d);

int cuda_set_class_weights(void *device, const double *weight, int n);
int cuda_loss(void *device, const device_loss *l);
int cuda_set_hyper(void *device, const engine_hyper *h);
int cuda_set_grad_scaler(void *device, const engine_grad_scaler *s);
int cuda_reset_result(void *device);
int cuda_result_now(void *device, engine_result_data *out);
int cuda_post_result(void *device, int slot);
int cuda_take_result(void *device, int slot, engine_result_data *out);

int cuda_before_step(void *device, const device_arenas *a, uint64_t written);
int cuda_unscale(void *device, const device_arenas *a);
int cuda_update(void *device, const device_arenas *a);
int cuda_compress_gradients(void *device, void *half, const void *gradient, size_t n, int ranks);
int cuda_decompress_gradients(void *device, void *gradient, const void *half, size_t n);

int cuda_record_begin(void *device);
int cuda_record_end(void **recording, void *device);
int cuda_replay(bool *stale, void *device, void *recording);
void cuda_recording_free(void *device, void *recording);

#endif
