/** The native kernels of the CPU device: one table per instruction set, compiled from the same source. Tensors are
 *  NHWC, F32 or BF16 (`bf16`). Arithmetic is fp32, sums over many elements double. A call processes the given range in
 *  one thread. Results do not depend on how the caller splits the work into ranges, except for sums, which are those of
 *  the range. BF16 is rounded to nearest, ties to even; NaN stays NaN. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_SIMD_KERNELS_H
#define LINNET_BACKEND_CPU_SIMD_KERNELS_H

#include "base/cpu_level.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Rows (pixels) [begin, end) of c channels. */
typedef struct bn_range {
    size_t begin, end;
    int c;
    bool bf16;
    bool stream; /* write with non-temporal stores, for outputs much larger than the caches; c % 16 == 0, 64-byte
                    aligned tensors */
} bn_range;

/** The gradient of BN's output: g = (dy[0] + dy[1]) where the ReLU mask is set, else 0. */
typedef struct bn_gradient {
    const void *x;
    const void *dy[2];   /* dy[1] may be NULL */
    const uint8_t *mask; /* NULL: no mask */
} bn_gradient;

/** Bytes per row of the ReLU mask: one bit per element, in whole 16-bit words. */
static inline size_t bn_mask_stride(int c) { return 2 * (((size_t)c + 15) / 16); }

typedef struct pool_shape {
    tensor_shape x, y;
    int kernel, stride, pad; /* kernel * kernel <= 256 */
    bool bf16;
    bool stream; /* as in bn_range, for dx */
} pool_shape;

/** SGD: g' = clip * g + decay * w; m = first ? g' : momentum * m + one_minus_dampening * g';
 *  w -= lr * (nesterov ? g' + momentum * m : m), or w -= lr * g' if momentum is 0. */
typedef struct sgd {
    float clip, decay, momentum, one_minus_dampening, lr;
    bool nesterov, first;
} sgd;

/** AdamW and LAMB: g' = clip * g;  m = beta1 * m + rest1 * g';  v = beta2 * v + rest2 * g'^2;
 *  a = rate * m / (root * sqrt(v) + eps).
 *  AdamW: w = keep * w - a.  LAMB: u = a + decay * w;  w -= lr * u. */
typedef struct adam {
    float clip, beta1, rest1, beta2, rest2, eps;
    float rate;      /* 1 / (1 - beta1^t); AdamW: times the learning rate */
    float root;      /* 1 / sqrt(1 - beta2^t) */
    float keep;      /* AdamW: 1 - learning rate * weight decay */
    float decay, lr; /* LAMB; lr: times the trust ratio */
} adam;

/** RMSprop: g' = clip * g + decay * w;  v = alpha * v + rest * g'^2;  m = momentum * m + g' / (sqrt(v) + eps);
 *  w -= lr * m. */
typedef struct rmsprop {
    float clip, decay, alpha, rest, momentum, eps, lr;
} rmsprop;

/** dw = dy^T x over rows (pixels) [begin, end), or += if add: a part of wgrad of a 1x1 convolution. */
typedef struct wgrad_gemm_part {
    float *dw;          /* (k, c) */
    const uint16_t *dy; /* rows of dy_stride channels, k of which are used, bf16 */
    const uint16_t *x;  /* rows of c channels, bf16 */
    int k, dy_stride, c;
    size_t begin, end;
    bool add;
} wgrad_gemm_part;

typedef struct conv_shape {
    tensor_shape x, y;
    int kernel, stride, pad;
} conv_shape;

/** dw (k, c, kernel, kernel) = the weight gradient of a convolution, or += if add, for k of its y.c channels. */
typedef struct wgrad_direct_part {
    const conv_shape *shape;
    float *dw;          /* begins at the first of the k channels */
    const uint16_t *dy; /* (n, p, q, y.c) bf16, from the first of the k channels */
    const uint16_t *x;  /* (n, h, w, c) bf16 */
    int k;
    bool add;
} wgrad_direct_part;

enum { GEMM_ROWS = 256 }; /* rows that are summed in fp32 registers before dw is updated */

/** Transforms panels [begin, end) of the weights; a panel is `panel` of the out_c channels. */
typedef struct conv_weights_part {
    void *v;        /* output, weights_bytes */
    const float *w; /* (out_c, in_c, kernel, kernel); for dgrad (in_c, out_c, kernel, kernel), rotated by 180 degrees */
    int in_c, out_c, kernel;
    size_t begin, end;
    bool gradient, bf16;
} conv_weights_part;

/** Computes parts [begin, end) of y, in the units of `parts`. */
typedef struct conv_part {
    /** Channels are multiples of 32. implicit_gemm: of the convolution; for dgrad x is dy and y is dx. The others:
     * stride 1, y and x of the same size. */
    const conv_shape *shape;
    void *y; /* F32 or BF16, like x */
    const void *x, *v;
    size_t begin, end;
    bool gradient, bf16;
    bool stream; /* as in bn_range */
} conv_part;

/** dw = dy^T x per tap over pixels [begin, end) of y, or += if add: a part of wgrad of a convolution in fp32. */
typedef struct wgrad_implicit_gemm_part {
    const conv_shape *shape;
    float *dw;           /* (taps, y.c, x.c), from the first of the k channels */
    const float *dy, *x; /* dy from the first of the k channels */
    int k;
    size_t begin, end;
    bool add;
} wgrad_implicit_gemm_part;

typedef struct wgrad_implicit_gemm_kernels {
    void (*run)(const wgrad_implicit_gemm_part *t, void *workspace); /* workspace: 64-byte aligned */
    size_t (*workspace)(int k, int c);                               /* bytes */
} wgrad_implicit_gemm_kernels;

/** Computes the sums of the transformed weight gradient over words [begin, end). A word is a tile of x and dy, in bf16
 *  the tiles of two images. */
typedef struct wgrad_winograd_part {
    const conv_shape *shape; /* 3x3, otherwise as in conv_part */
    float *sums;             /* (WINOGRAD_TILE_ELEMENTS, y.c, x.c), from the first of the k channels */
    const void *dy, *x;      /* F32 or BF16; dy from the first of the k channels */
    int k;                   /* a multiple of 16 */
    size_t begin, end;
    bool bf16;
} wgrad_winograd_part;

/** Computes dw from the sums, for channels [begin, end) of y. */
typedef struct wgrad_winograd_sums {
    float *dw; /* (y.c, x.c, 3, 3), = or += (add) */
    const float *sums;
    int parts; /* number of consecutive arrays of sums, which are added */
    int k, c;
    size_t begin, end;
    bool add;
} wgrad_winograd_sums;

enum { WINOGRAD_TILE_ELEMENTS = 16 /* of a transformed tile: 4 x 4 */ };

/** One convolution algorithm. workspace: 64-byte aligned. */
typedef struct conv_kernels {
    int panel;                                /* channels per panel; divides 32 */
    int group;                                /* granularity of the split: a thread's range begins at a multiple */
    size_t (*parts)(const conv_shape *shape); /* number of parts (conv_part) */
    void (*run)(const conv_part *t, void *workspace);
    size_t (*workspace)(const conv_shape *s, bool bf16);
    void (*weights)(const conv_weights_part *t);
    size_t (*weights_bytes)(const conv_shape *s, bool bf16);
    void (*wgrad)(const wgrad_winograd_part *t, void *workspace); /* NULL: no wgrad */
    size_t (*wgrad_workspace)(const conv_shape *s, int k);
    void (*wgrad_inverse)(const wgrad_winograd_sums *t);
} conv_kernels;

typedef struct kernels {
    const char *name;

    /** x[i] = table[i % 3][pixels[i]]; table: 3 x 256 elements of x's type; begin % 3 == 0. */
    void (*load)(void *x, const uint8_t *pixels, const void *table, size_t begin, size_t end, bool bf16);

    /** sums[k] = sum(x - shift), sums[c + k] = sum((x - shift)^2). fp32 within 32 rows, then double. */
    void (*bn_sums)(double *sums, const void *x, const float *shift, bn_range r);
    /** y = x * factor[k] + factor[c + k] (+ residual), then ReLU. mask: the ReLU mask, or NULL. */
    void (*bn_apply)(void *y, uint8_t *mask, const void *x, const void *residual, const float *factor, bool relu,
                     bn_range r);
    /** sums[k] = sum(g), sums[c + k] = sum(g * (x - mean)). out = g; may be NULL or dy[0]. */
    void (*bn_gradient_sums)(double *sums, void *out, const bn_gradient *in, const float *mean, bn_range r);
    /** dx = g * factor[k] + x * factor[c + k] + factor[2c + k]; dx may be dy[0]. */
    void (*bn_gradient_apply)(void *dx, const bn_gradient *in, const float *factor, bn_range r);

    /** Output rows [begin, end) of n * p. index (or NULL): index of the maximum in the window, the first if several are
     *  equal; NaN counts as larger than all numbers. */
    void (*maxpool)(void *y, uint8_t *index, const void *x, const pool_shape *s, size_t begin, size_t end);
    /** Input rows [begin, end) of n * h: dx = sum of dy[0] (+ dy[1]) over the windows whose maximum it is. */
    void (*maxpool_gradient)(void *dx, const uint8_t *index, const void *const dy[2], const pool_shape *s, size_t begin,
                             size_t end);
    /** Images [begin, end): the mean over h * w. */
    void (*avgpool)(void *y, const void *x, const pool_shape *s, size_t begin, size_t end);
    void (*avgpool_gradient)(void *dx, const void *const dy[2], const pool_shape *s, size_t begin, size_t end);

    /** out = bf16(in) */
    void (*to_bf16)(uint16_t *out, const float *in, size_t n);

    /** NULL: the instruction set has no bf16 dot product. workspace: wgrad_gemm_workspace(k, c) bytes, 64-byte
     *  aligned. */
    void (*wgrad_gemm)(const wgrad_gemm_part *t, void *workspace);
    size_t (*wgrad_gemm_workspace)(int k, int c);
    /** NULL if wgrad_gemm is. workspace: wgrad_direct_workspace(shape, k) bytes, 64-byte aligned. */
    void (*wgrad_direct)(const wgrad_direct_part *t, void *workspace);
    size_t (*wgrad_direct_workspace)(const conv_shape *s, int k);
    /** NULL: not faster with this instruction set. winograd_2d: 3x3, F(2x2, 3x3), in bf16 only if winograd_1d is not
     *  NULL. winograd_1d: 3x3, F(2, 3) along rows, bf16 only. pointwise: 1x1, bf16 only. implicit_gemm: kernels up
     *  to 3x3 with any stride, fp32 only. */
    const conv_kernels *winograd_2d, *winograd_1d, *pointwise, *implicit_gemm;
    const wgrad_implicit_gemm_kernels *wgrad_implicit_gemm;

    void (*scale)(float *x, float factor, size_t n); /* x *= factor */
    double (*squares)(const float *x, size_t n);     /* their sum */
    void (*update)(float *w, const float *g, float *m, const sgd *s, size_t n);
    void (*adamw)(float *w, const float *g, float *m, float *v, const adam *s, size_t n);
    void (*rmsprop)(float *w, const float *g, float *m, float *v, const rmsprop *s, size_t n);
    /** Updates m and v. sums: of the squares of w and of u. */
    void (*lamb_moments)(double sums[2], const float *w, const float *g, float *m, float *v, const adam *s, size_t n);
    /** Updates w, from m and v as lamb_moments has left them. */
    void (*lamb)(float *w, const float *m, const float *v, const adam *s, size_t n);
} kernels;

/** @return NULL if this machine does not support the level; CPU_SSE41 is always supported. CPU_AMX has no kernels of
 *  its own and uses those of CPU_AVX512_BF16. */
const kernels *kernels_of(cpu_level level);

extern const kernels kernels_plain, kernels_avx2, kernels_avx512, kernels_avx512_bf16;

/* The symbols that the templates (*_tmpl.c) define for the instruction set `isa`, such as load_avx2, with the types of
 * the members. */
#define KERNEL_MEMBER(table, member, name) extern __typeof__(*((const table *)0)->member) name
#define KERNELS_DECLARED(isa)                                                                                          \
    KERNEL_MEMBER(kernels, load, load_##isa);                                                                          \
    KERNEL_MEMBER(kernels, bn_sums, bn_sums_##isa);                                                                    \
    KERNEL_MEMBER(kernels, bn_apply, bn_apply_##isa);                                                                  \
    KERNEL_MEMBER(kernels, bn_gradient_sums, bn_gradient_sums_##isa);                                                  \
    KERNEL_MEMBER(kernels, bn_gradient_apply, bn_gradient_apply_##isa);                                                \
    KERNEL_MEMBER(kernels, maxpool, maxpool_##isa);                                                                    \
    KERNEL_MEMBER(kernels, maxpool_gradient, maxpool_gradient_##isa);                                                  \
    KERNEL_MEMBER(kernels, avgpool, avgpool_##isa);                                                                    \
    KERNEL_MEMBER(kernels, avgpool_gradient, avgpool_gradient_##isa);                                                  \
    KERNEL_MEMBER(kernels, to_bf16, to_bf16_##isa);                                                                    \
    KERNEL_MEMBER(kernels, wgrad_gemm, wgrad_gemm_##isa);                                                              \
    KERNEL_MEMBER(kernels, wgrad_gemm_workspace, wgrad_gemm_workspace_##isa);                                          \
    KERNEL_MEMBER(kernels, wgrad_direct, wgrad_direct_##isa);                                                          \
    KERNEL_MEMBER(kernels, wgrad_direct_workspace, wgrad_direct_workspace_##isa);                                      \
    KERNEL_MEMBER(kernels, scale, scale_##isa);                                                                        \
    KERNEL_MEMBER(kernels, squares, squares_##isa);                                                                    \
    KERNEL_MEMBER(kernels, update, update_##isa);                                                                      \
    KERNEL_MEMBER(kernels, adamw, adamw_##isa);                                                                        \
    KERNEL_MEMBER(kernels, rmsprop, rmsprop_##isa);                                                                    \
    KERNEL_MEMBER(kernels, lamb_moments, lamb_moments_##isa);                                                          \
    KERNEL_MEMBER(kernels, lamb, lamb_##isa);                                                                          \
    KERNEL_MEMBER(conv_kernels, wgrad, wgrad_winograd_##isa);                                                          \
    KERNEL_MEMBER(conv_kernels, wgrad_workspace, wgrad_winograd_workspace_##isa);                                      \
    KERNEL_MEMBER(conv_kernels, wgrad_inverse, wgrad_winograd_inverse_##isa);                                          \
    extern const wgrad_implicit_gemm_kernels wgrad_implicit_gemm_##isa;                                                \
    extern const conv_kernels winograd_2d_##isa, winograd_1d_##isa, pointwise_##isa, implicit_gemm_##isa

KERNELS_DECLARED(plain);
KERNELS_DECLARED(avx2);
KERNELS_DECLARED(avx512);
KERNELS_DECLARED(avx512_bf16);

#endif
