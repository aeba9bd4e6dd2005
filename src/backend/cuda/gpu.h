/** The CUDA device: one GPU, NHWC activations in fp16, bf16 or fp32, cuDNN for convolutions, own kernels for the rest;
 *  everything of a step is queued on one stream, batches come up on another.
 *  Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_GPU_H
#define LINNET_BACKEND_CUDA_GPU_H

#include "backend/backend.h"
#include "backend/cuda/choices.h"
#include "backend/cuda/cudnn.h"
#include "backend/cuda/driver.h"
#include "backend/cuda/kernels.h"

/** A batch on its way: pinned memory, and its copy on the GPU. Pixels, then labels, second labels, mixing weights. */
typedef struct upload_slot {
    unsigned char *pinned;
    CUdeviceptr memory;
    size_t bytes;
    CUevent copied, used; /* copied: pinned may be overwritten; used: memory */
} upload_slot;

enum { UPLOAD_SLOTS = 2, RESULT_NOW = DEVICE_RESULTS, RESULT_SLOTS = DEVICE_RESULTS + 1 };

typedef struct convolution convolution;

/** What is queued between two events. */
typedef struct timed_span {
    CUevent start, end;
    double *seconds; /* where its time is added; NULL: it has not ended */
} timed_span;

enum { SPANS_OPEN = 4 }; /* within each other, at most */

enum { PADDED_CHANNELS = 4 }; /* of an image */

typedef struct cuda_device {
    engine_options options;
    const cuda_driver *driver;
    const cudnn_library *cudnn;
    int index, major, minor; /* of the GPU, its compute capability */
    CUdevice gpu;
    CUcontext context;
    CUstream stream, copies;
    cudnnHandle_t handle;
    kernels_loaded kernels;
    char description[256];
    element type; /* of activations and weights in a computation */

    cuda_state *state;                 /* on the GPU */
    cuda_result *result[RESULT_SLOTS]; /* pinned, as posted */
    CUevent posted[RESULT_SLOTS];
    upload_slot upload[UPLOAD_SLOTS];
    unsigned uploads;         /* so far: the next slot */
    size_t label_capacity;    /* images */
    int32_t *label, *label_b; /* of the loaded batch, on the GPU */
    float *mix;
    double *image_loss;
    int32_t *image_rank;
    int label_n;

    void *copy; /* all weights in `type`, each at its place in the arena; NULL in fp32 */
    size_t copy_bytes;
    uint64_t copied_version; /* of the host's writing, that `copy` holds */
    cuda_range *range;
    int range_n;
    double *part; /* (UPDATE_BLOCKS) */
    int *overflow;

    double *joined;      /* pinned: bn_join.c */
    int joined_channels; /* at most */

    comm *exchange; /* of gradients (exchange.h); NULL: options.comm does it */
    choices choices;
    convolution **convolution; /* made so far, one a shape */
    int convolution_n;
    timed_span *span; /* of a profile; span_n of span_room events are in use */
    int span_n, span_room;
    int open[SPANS_OPEN], open_n; /* numbers of spans */
    unsigned generation;          /* changes when memory that recorded steps use has moved */
} cuda_device;

/** The driver's addresses are numbers. */
static inline void *gpu_pointer(CUdeviceptr address) {
    return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr): so they are given */
}

/** Queues a kernel on the device's stream. */
static inline int gpu_launch(const cuda_device *d, kernel which, launch_shape s, const void *args) {
    return kernel_launch(&d->kernels, d->stream, which, s, args);
}

/** Zero-filled. @return 0, E_NOMEM (naming the size), E_DEVICE */
int gpu_allocate(void **out, void *device, size_t bytes);
void gpu_release(void *device, void *memory, size_t bytes);
int gpu_wait(void *device);

/** Microseconds that the device takes for what `queue` queues: the best of some runs, after one that warms up.
 *  @return 0, E_DEVICE, what `queue` returns */
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
/** What BN has saved in a training forward for the convolution behind: c channels, in memory aligned to 16 bytes where
 *  c is a multiple of 8. */
typedef struct bn_saved {
    float *mean, *inv_std; /* (c) */
    float *factor;         /* (2, c) y = relu(x * f0 + f1) */
    float *affine;         /* (2, c) gamma, beta */
    void *rounded;         /* (2, c) factor in the compute type */
} bn_saved;
bn_saved cuda_bn_saved(tensor_shape x, void *saved);
size_t cuda_bn_part_bytes(tensor_shape x);
/** One of BN's own passes over x (bn_sums, bn_apply, bn_gradient_sums) with ReLU, alone, to be measured: bytes of
 * memory that it needs, and queueing it. */
size_t cuda_bn_pass_bytes(const cuda_device *d, tensor_shape x);
int cuda_bn_queue_pass(const cuda_device *d, tensor_shape x, kernel f32, void *memory);
void cuda_conv_destroy(void *device, device_layer *l);
void cuda_conv_algorithm(engine_algorithm *out, const device_layer *l, engine_pass pass);

int cuda_load_batch(void *device, void *x, int channels, const batch *b);
void cuda_upload_deinit(cuda_device *d);

int cuda_loss(void *device, const device_loss *l);
int cuda_set_hyper(void *device, const engine_hyper *h);
int cuda_set_scaler(void *device, const engine_scaler *s);
int cuda_reset_result(void *device);
int cuda_result_now(void *device, engine_result_data *out);
int cuda_post_result(void *device, int slot);
int cuda_take_result(void *device, int slot, engine_result_data *out);

int cuda_before_step(void *device, const device_arenas *a, uint64_t written);
int cuda_unscale(void *device, const device_arenas *a);
int cuda_update(void *device, const device_arenas *a);
int cuda_narrow(void *device, void *half, const void *gradient, size_t n, int ranks);
int cuda_widen(void *device, void *gradient, const void *half, size_t n);

int cuda_record_begin(void *device);
int cuda_record_end(void **recording, void *device);
int cuda_replay(bool *stale, void *device, void *recording);
void cuda_recording_free(void *device, void *recording);

#endif
