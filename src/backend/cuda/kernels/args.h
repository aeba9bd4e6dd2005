/** The kernels' names and arguments, for C and CUDA: every kernel takes one struct by value. Pointers are the GPU's.
 *  `m` counts the pixels (n*h*w) of an NHWC tensor, `c` its channels.
 *  Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_KERNELS_ARGS_H
#define LINNET_BACKEND_CUDA_KERNELS_ARGS_H

#include <stddef.h>
#include <stdint.h>

/** X(name, arguments): one kernel. T(name, arguments): one for each type: _f32, _f16, _bf16. V(name, arguments): the
 *  same, and for tensors of C % 8 != 0 _one_f32, _one_f16, _one_bf16. */
#define KERNEL_LIST(X, T, V)                                                                                           \
    T(load_batch, load_args)                                                                                           \
    V(bn_sums, bn_args)                                                                                                \
    X(bn_statistics, bn_args)                                                                                          \
    X(bn_joined_statistics, bn_args)                                                                                   \
    X(bn_running, bn_args)                                                                                             \
    V(bn_apply, bn_args)                                                                                               \
    T(bn_hand_on, bn_args)                                                                                             \
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
    T(update, update_args)                                                                                             \
    X(scaler, update_args)                                                                                             \
    T(narrow, half_args)                                                                                               \
    T(widen, half_args)                                                                                                \
    T(cast, update_args)                                                                                               \
    X(set_hyper, hyper_args)                                                                                           \
    X(set_scaler, scaler_args)                                                                                         \
    X(reset_result, reset_args)

/** What a step reads, on the GPU. */
typedef struct cuda_hyper {
    double lr, head_lr, momentum, dampening, weight_decay, clip_norm;
    double loss_scale; /* 0: the scaler's */
    double label_smoothing;
    double images;
    int nesterov, first_step;
} cuda_hyper;

/** The loss scaler (GradScaler's state machine), decided on the GPU. */
typedef struct cuda_scaler {
    double scale, growth_factor, backoff_factor;
    int64_t growth_interval, growth_tracker;
} cuda_scaler;

/** engine_result_data, on the GPU. */
typedef struct cuda_result {
    double loss_sum, grad_norm;
    int64_t images, top1, top5;
    int finite;
} cuda_result;

/** All that steps hand on to each other besides the arenas. */
typedef struct cuda_state {
    cuda_hyper hyper;
    cuda_scaler scaler;
    cuda_result result;
} cuda_state;

/** Normalised pixels, channels padded with zeros to c; and the labels where the loss finds them. */
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

/** Batch normalisation. Rows are cut into chunks of chunk_rows; each has a row of `part`: (chunks, 2, c). */
typedef struct bn_args {
    const void *x, *residual;
    const void *dy0, *dy1;
    void *y;
    void *dx, *dresidual;
    uint8_t *mask; /* where the ReLU let through: a bit an element, a byte a pack (8 elements, or 1) */
    float *part;
    float *mean, *inv_std; /* (c) of the batch; inv_std = 1 / sqrt(var + eps) */
    float *factor;         /* forward (2, c): y = x * f0 + f1; backward (3, c): dx = g * f0 + x * f1 + f2 */
    const float *applied;  /* unmasked backward: forward's factor */
    float *affine;         /* NULL, or a copy of gamma and beta, aligned as cuDNN wants it: (2, c) */
    void *rounded;         /* bn_hand_on: factor in the kernel's type: (2, c) */
    double *joined;        /* NULL, or for other ranks: forward mean and var, backward two sums, (2, c); then rows */
    float *running_mean, *running_var; /* training: NULL, they stay as they are */
    const float *gamma, *beta;
    float *dgamma, *dbeta;
    size_t m, chunk_rows;
    int c, chunks;
    int relu, accumulate;
    int shifted; /* bn_statistics: the sums are of x less `mean`; else of x itself */
} bn_args;

typedef struct pool_args {
    const void *x;
    void *y;
    const void *dy0, *dy1;
    void *dx;
    uint8_t *index; /* (n,p,q,c): row-major place in the window that the maximum came from */
    int n, h, w, c, p, q;
    int kernel, stride, pad;
} pool_args;

/** out = a + b, n elements. */
typedef struct convert_args {
    void *out;
    const void *a, *b;
    size_t n;
} convert_args;

/** Weights of a convolution between the fp32 slot, (k, rs, c), and a copy padded to (k, rs, c_padded).
 *  weights_pack: copy = slot. weights_add: slot = copy, or += with accumulate; the copy has the kernel's type. */
typedef struct weights_args {
    float *slot;
    void *copy;
    size_t rows; /* k * rs */
    int c, c_padded;
    int accumulate;
} weights_args;

/** logits: y = x + bias, to float. logits_gradient: dx = dy0 + dy1, to x's type. linear_bias: dbias = or += sum of dy
 *  over the n rows. */
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
    double *image_loss; /* (n) */
    int32_t *image_rank;
    int n, classes;
} loss_args;

/** A range of what trains whose elements decay or not, and whose rate is the classifier's or not. */
typedef struct cuda_range {
    size_t end;
    int decays, head;
} cuda_range;

typedef struct update_args {
    cuda_state *state;
    float *weight, *gradient, *momentum;
    void *copy; /* the compute type's weights, at the same places; NULL: none */
    const cuda_range *range;
    double *part;  /* (blocks) sums of squares */
    int *overflow; /* (blocks) whether a gradient was not finite */
    size_t n;      /* of unscale and update: from the first that trains on */
    int range_n, blocks;
    int fp16; /* a scaled gradient beyond fp16's range is infinite */
} update_args;

/** n gradients and what ranks exchange of them, in the kernel's type. */
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

typedef struct scaler_args {
    cuda_state *state;
    cuda_scaler scaler;
} scaler_args;

typedef struct reset_args {
    cuda_state *state;
} reset_args;

#endif
