/** Names and arguments of the kernels, for C and CUDA. Every kernel takes one struct by value; its pointers are GPU
 *  addresses. `m` is the number of pixels (n*h*w) of an NHWC tensor, `c` its number of channels. Internal to
 *  src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_KERNELS_ARGS_H
#define LINNET_BACKEND_CUDA_KERNELS_ARGS_H

#include <stddef.h>
#include <stdint.h>

/** X(name, arguments): one kernel. T(name, arguments): one kernel per element type: _f32, _f16, _bf16. V(name,
 *  arguments): the same, and _one_f32, _one_f16, _one_bf16 for tensors with c % 8 != 0. */
#define KERNEL_LIST(X, T, V)                                                                                           \
    T(load_batch, load_args)                                                                                           \
    V(bn_sums, bn_args)                                                                                                \
    X(bn_statistics, bn_args)                                                                                          \
    X(bn_joined_statistics, bn_args)                                                                                   \
    X(bn_running, bn_args)                                                                                             \
    V(bn_apply, bn_args)                                                                                               \
    T(bn_round_factors, bn_args)                                                                                       \
    V(bn_gradient_sums, bn_args)                                                                                       \
    V(bn_unmasked_sums, bn_args)                                                                                       \
    X(bn_gradient_factors, bn_args)                                                                                    \
    X(bn_joined_factors, bn_args)                                                                                      \
    V(bn_gradient, bn_args)                                                                                            \
    V(bn_unmasked_gradient, bn_args)                                                                                   \
    V(maxpool, pool_args)                                                                                              \
    V(maxpool_gradient, pool_args)                                                                                     \
    V(avgpool, pool_args)                                                                                              \
    V(avgpool_gradient, pool_args)                                                                                     \
    V(shortcut, pool_args)                                                                                             \
    V(shortcut_gradient, pool_args)                                                                                    \
    T(add, convert_args)                                                                                               \
    T(weights_pack, weights_args)                                                                                      \
    T(weights_add, weights_args)                                                                                       \
    T(logits, linear_args)                                                                                             \
    T(logits_gradient, linear_args)                                                                                    \
    X(linear_bias, linear_args)                                                                                        \
    X(loss_images, loss_args)                                                                                          \
    X(loss_join, loss_args)                                                                                            \
    X(unscale, update_args)                                                                                            \
    X(gradient_norm, update_args)                                                                                      \
    X(tensor_sums, update_args)                                                                                        \
    X(trust_ratios, update_args)                                                                                       \
    T(update, update_args)                                                                                             \
    X(scaler, update_args)                                                                                             \
    T(narrow, half_args)                                                                                               \
    T(widen, half_args)                                                                                                \
    T(cast, update_args)                                                                                               \
    X(set_hyper, hyper_args)                                                                                           \
    X(set_grad_scaler, grad_scaler_args)                                                                               \
    X(reset_result, reset_args)

/** engine_hyper in GPU memory. */
typedef struct cuda_hyper {
    double lr, head_lr, momentum, dampening, weight_decay, clip_norm;
    double loss_scale; /* 0: the scaler's scale */
    double label_smoothing;
    double images;
    double beta1, beta2, alpha, eps, trust;
    int64_t updates; /* -1: cuda_state's count continues */
    int nesterov, first_step;
    int loss_binary, bce_sum;
    double bce_threshold; /* negative: none */
    int loss_weighted, loss_soft;
} cuda_hyper;

/** State of the loss scaler (GradScaler), updated on the GPU. */
typedef struct cuda_grad_scaler {
    double scale, growth_factor, backoff_factor;
    int64_t growth_interval, growth_tracker;
} cuda_grad_scaler;

/** engine_result_data in GPU memory. */
typedef struct cuda_result {
    double loss_sum, grad_norm;
    int64_t images, top1, top5;
    int finite;
} cuda_result;

/** All state that is kept between steps, apart from the arenas. */
typedef struct cuda_state {
    cuda_hyper hyper;
    cuda_grad_scaler scaler;
    cuda_result result;
    int64_t updates;     /* done before this step; advanced by a finite step */
    double bias1, bias2; /* 1 - beta^t of this step, t = updates + 1 */
} cuda_state;

/** Writes normalised pixels, with channels padded with zeros to c, and copies the labels to the addresses that the loss
 *  reads. */
typedef struct load_args {
    void *x;               /* (n,h,w,c) */
    const uint8_t *pixels; /* (n,h,w,3) */
    const int32_t *label_in, *label_b_in;
    const float *mix_in;
    int32_t *label, *label_b; /* (n) */
    float *mix;
    size_t m; /* pixels */
    int n, c;
    float mean[3], std[3]; /* x = (pixel / 255 - mean) / std */
} load_args;

/** Batch normalisation. Rows are split into chunks of chunk_rows; each chunk has one row of `part`: (chunks, 2, c). */
typedef struct bn_args {
    const void *x, *residual;
    const void *dy0, *dy1;
    void *y;
    void *dx, *dresidual;
    uint8_t *mask; /* ReLU mask: one bit per element, one byte per pack (8 elements, or 1) */
    float *part;
    float *mean, *inv_std; /* (c) of the batch; inv_std = 1 / sqrt(var + eps) */
    float *factor;         /* forward (2, c): y = x * f0 + f1; backward (3, c): dx = g * f0 + x * f1 + f2 */
    const float *applied;  /* backward without a mask: forward's factor */
    float *affine;         /* NULL, or an aligned copy of gamma and beta for cuDNN: (2, c) */
    void *rounded;         /* bn_round_factors: factor in the kernel's type: (2, c) */
    double *joined; /* NULL, or for synchronised BN: forward mean and var, backward two sums, (2, c); then rows */
    float *running_mean, *running_var; /* NULL: training does not update them */
    const float *gamma, *beta;
    float *dgamma, *dbeta;
    size_t m, chunk_rows;
    int c, chunks;
    int relu, accumulate;
    const uint8_t *kept; /* NULL, or with stochastic depth (images): whether the image is kept, and then ... */
    float kept_factor;   /* ... the factor of its values */
    size_t image_rows;
    int shifted; /* bn_statistics: the sums are of x - `mean`; otherwise of x */
} bn_args;

typedef struct pool_args {
    const void *x;
    void *y;
    const void *dy0, *dy1;
    void *dx;
    uint8_t *index; /* (n,p,q,c): row-major index of the maximum in its window */
    int n, h, w, c, p, q;
    int y_c; /* shortcut: channels of y */
    int kernel, stride, pad;
} pool_args;

/** out = a + b, n elements. */
typedef struct convert_args {
    void *out;
    const void *a, *b;
    size_t n;
} convert_args;

/** Copies the weights of a convolution between the fp32 arena, (k, rs, c), and a copy of the kernel's type padded to
 *  (k, rs, c_padded). weights_pack: copy = slot. weights_add: slot = copy, or += if accumulate. */
typedef struct weights_args {
    float *slot;
    void *copy;
    size_t rows; /* k * rs */
    int c, c_padded;
    int accumulate;
} weights_args;

/** logits: y = x + bias, converted to float. logits_gradient: dx = dy0 + dy1, converted to x's type. linear_bias:
 *  dbias = sum of dy over the n rows, or += if accumulate. */
typedef struct linear_args {
    const void *x;
    float *y;
    const float *bias;
    const float *dy0, *dy1;
    void *dx;
    float *dbias;
    int n, c;
    int accumulate;
} linear_args;

typedef struct loss_args {
    cuda_state *state;
    const float *logits; /* (n, classes) */
    float *dlogits;      /* NULL in evaluation */
    const int32_t *label, *label_b;
    const float *mix;
    const double *weight; /* (classes) NULL: none are set */
    double *image_loss;   /* (n) */
    int32_t *image_rank;
    int n, classes;
} loss_args;

/** A range of the trained parameters with the same weight decay and learning rate. It begins at the end of the previous
 *  range. */
typedef struct cuda_range {
    size_t end;
    int decays, head;
} cuda_range;

/** A piece of a cuda_range, for one block. */
typedef struct cuda_chunk {
    size_t begin, end;
    int range;
} cuda_chunk;

/** As optimizer_kind (types.h). */
enum { UPDATE_SGD, UPDATE_ADAMW, UPDATE_RMSPROP, UPDATE_LAMB, UPDATE_LARS };

typedef struct update_args {
    cuda_state *state;
    float *weight, *gradient, *momentum;
    float *square; /* NULL unless the optimizer has it */
    void *copy;    /* weights in the compute type, at the same offsets; NULL: none */
    const cuda_range *range;
    const cuda_chunk *chunk; /* (chunk_n) LAMB, LARS */
    double *sums;            /* (chunk_n, 2) sums of squares: of w, and of g (LARS) or the update (LAMB) */
    float *trust;            /* (range_n) trust ratios */
    double *part;            /* (blocks) partial sums of squares */
    int *overflow;           /* (blocks) whether a gradient is not finite */
    size_t n;                /* unscale and update: number of trained elements */
    int range_n, chunk_n, blocks;
    int optimizer; /* UPDATE_... */
    int fp16;      /* a scaled gradient beyond fp16's range becomes infinite */
} update_args;

/** n gradients, and their 16-bit form for the all-reduce, in the kernel's type. */
typedef struct half_args {
    void *half;
    float *gradient;
    size_t n;
    int ranks;
} half_args;

typedef struct hyper_args {
    cuda_state *state;
    cuda_hyper hyper;
} hyper_args;

typedef struct grad_scaler_args {
    cuda_state *state;
    cuda_grad_scaler scaler;
} grad_scaler_args;

typedef struct reset_args {
    cuda_state *state;
} reset_args;

#endif
