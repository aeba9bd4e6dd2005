/** The CPU device's own kernels: one table for each instruction set, the same source compiled for each.
 *  Tensors are NHWC, F32 or BF16 (`bf16`); arithmetic is fp32, sums over many elements double. A call works on the
 *  range it is given, in one thread; results do not depend on how a caller cuts ranges, except the sums of one call.
 *  BF16 is rounded to nearest, ties to even; NaN stays NaN. Internal to src/backend/cpu. */
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
    bool stream; /* write past the caches: for outputs far larger than they are; c % 16 == 0, tensors 64-byte aligned */
} bn_range;

/** What arrives at the output: g = (dy[0] + dy[1]) where the mask is set. */
typedef struct bn_gradient {
    const void *x;
    const void *dy[2];   /* dy[1] or NULL */
    const uint8_t *mask; /* NULL: everywhere */
} bn_gradient;

/** A bit for each element, rows of whole 16-bit words. */
static inline size_t bn_mask_stride(int c) { return 2 * (((size_t)c + 15) / 16); }

typedef struct pool_shape {
    tensor_shape x, y;
    int kernel, stride, pad; /* kernel * kernel <= 256 */
    bool bf16;
    bool stream; /* as in bn_range; of dx */
} pool_shape;

/** SGD, see semantics in docs: g' = clip * g + decay * w; m = first ? g' : momentum * m + keep * g';
 *  w -= lr * (nesterov ? g' + momentum * m : m), or lr * g' without momentum. */
typedef struct sgd {
    float clip, decay, momentum, keep, lr;
    bool nesterov, first;
} sgd;

/** dw = dy^T x over rows (pixels) [begin, end), += if add: a part of the weight gradient of a 1x1 convolution. */
typedef struct gemm_part {
    float *dw;          /* (k, c) */
    const uint16_t *dy; /* k of dy_stride channels a row, bf16 */
    const uint16_t *x;  /* c channels a row, bf16 */
    int k, dy_stride, c;
    size_t begin, end;
    bool add;
} gemm_part;

typedef struct conv_shape {
    tensor_shape x, y;
    int kernel, stride, pad;
} conv_shape;

/** dw (k, c, kernel, kernel) = or += (add) the weight gradient of a convolution, for k of its y.c channels. */
typedef struct direct_part {
    const conv_shape *shape;
    float *dw;          /* of the first of these channels */
    const uint16_t *dy; /* (n, p, q, y.c) bf16, from the first of these channels on */
    const uint16_t *x;  /* (n, h, w, c) bf16 */
    int k;
    bool add;
} direct_part;

enum { GEMM_ROWS = 256 }; /* are summed up in fp32 before dw is touched */

/** Panels [begin, end) of out_c, `panel` channels each, of the transformed weights. */
typedef struct conv_weights_part {
    void *v;        /* weights_bytes */
    const float *w; /* (out_c, in_c, kernel, kernel), for a gradient (in_c, out_c, kernel, kernel) and turned around */
    int in_c, out_c;
    size_t begin, end;
    bool gradient, bf16;
} conv_weights_part;

/** Parts [begin, end) of y, as `parts` counts them. */
typedef struct conv_part {
    const conv_shape *shape; /* of stride 1, y as large as x; channels whole multiples of 32 */
    void *y;                 /* F32 or BF16, as x */
    const void *x, *v;
    size_t begin, end;
    bool bf16;
    bool stream; /* as in bn_range */
} conv_part;

/** The sums of the transformed weight gradient, over words [begin, end): tiles of x and dy, in bf16 of two images. */
typedef struct winograd_dw_part {
    const conv_shape *shape; /* 3x3, as above */
    float *sums;             /* (WINOGRAD_PLACES, y.c, x.c), from the first of k channels on */
    const void *dy, *x;      /* F32 or BF16; dy from the first of k channels on */
    int k;                   /* a multiple of 16 */
    size_t begin, end;
    bool bf16;
} winograd_dw_part;

/** dw of channels [begin, end) of y from the sums. */
typedef struct winograd_dw_sums {
    float *dw; /* (y.c, x.c, 3, 3), = or += (add) */
    const float *sums;
    int parts; /* sums that follow each other, to be added up */
    int k, c;
    size_t begin, end;
    bool add;
} winograd_dw_sums;

enum { WINOGRAD_PLACES = 16 /* of a transformed tile */ };

/** A way to compute some kind of convolution. scratch: 64-byte aligned. */
typedef struct conv_kernels {
    int panel;                                /* channels; divides 32 */
    int group;                                /* parts that are best not parted: a thread's first is a multiple */
    size_t (*parts)(const conv_shape *shape); /* that there are of conv_part */
    void (*run)(const conv_part *t, void *scratch);
    size_t (*scratch)(const conv_shape *s, bool bf16);
    void (*weights)(const conv_weights_part *t);
    size_t (*weights_bytes)(const conv_shape *s, bool bf16);
    void (*dw)(const winograd_dw_part *t, void *scratch); /* NULL: no weight gradient */
    size_t (*dw_scratch)(const conv_shape *s, int k);
    void (*dw_back)(const winograd_dw_sums *t);
} conv_kernels;

typedef struct kernels {
    const char *name;

    /** x[i] = table[i % 3][pixels[i]]; table: 3 x 256 elements of x's type; begin % 3 == 0. */
    void (*load)(void *x, const uint8_t *pixels, const void *table, size_t begin, size_t end, bool bf16);

    /** sums[k] = sum(x - shift), sums[c + k] = sum((x - shift)^2). fp32 over 32 rows, double over those. */
    void (*bn_sums)(double *sums, const void *x, const float *shift, bn_range r);
    /** y = x * factor[k] + factor[c + k] (+ residual), then ReLU; mask (or NULL): where ReLU lets pass. */
    void (*bn_apply)(void *y, uint8_t *mask, const void *x, const void *residual, const float *factor, bool relu,
                     bn_range r);
    /** sums[k] = sum(g), sums[c + k] = sum(g * (x - mean)); out (or NULL) = g, may be dy[0]. */
    void (*bn_gradient_sums)(double *sums, void *out, const bn_gradient *in, const float *mean, bn_range r);
    /** dx = g * factor[k] + x * factor[c + k] + factor[2c + k]; may be dy[0]. */
    void (*bn_gradient_apply)(void *dx, const bn_gradient *in, const float *factor, bn_range r);

    /** Output rows [begin, end) of n * p; index (or NULL): the place in the window that won, first among equals;
     *  a NaN wins. */
    void (*maxpool)(void *y, uint8_t *index, const void *x, const pool_shape *s, size_t begin, size_t end);
    /** Input rows [begin, end) of n * h: dx = sum of dy[0] (+ dy[1]) of the windows it won. */
    void (*maxpool_gradient)(void *dx, const uint8_t *index, const void *const dy[2], const pool_shape *s, size_t begin,
                             size_t end);
    /** Images [begin, end): the mean over h * w. */
    void (*avgpool)(void *y, const void *x, const pool_shape *s, size_t begin, size_t end);
    void (*avgpool_gradient)(void *dx, const void *const dy[2], const pool_shape *s, size_t begin, size_t end);

    /** out = bf16(in) */
    void (*to_bf16)(uint16_t *out, const float *in, size_t n);

    /** NULL: this instruction set has no products of bf16. scratch: gemm_scratch(k, c) bytes, 64-byte aligned. */
    void (*gemm)(const gemm_part *t, void *scratch);
    size_t (*gemm_scratch)(int k, int c);
    /** NULL with gemm. scratch: direct_scratch(shape, k) bytes, 64-byte aligned. */
    void (*direct)(const direct_part *t, void *scratch);
    size_t (*direct_scratch)(const conv_shape *s, int k);
    /** NULL: this instruction set is better off without. 3x3: F(2x2, 3x3), in bf16 only where `winograd_1d` is; F(2, 3)
     * along lines, bf16 only. 1x1: bf16 only. */
    const conv_kernels *winograd_2d, *winograd_1d, *pointwise;

    /** g *= factor (not touched when factor is 1). @return sum of squares of the result */
    double (*unscale)(float *g, float factor, size_t n);
    void (*update)(float *w, const float *g, float *m, const sgd *s, size_t n);
} kernels;

/** @return NULL where this machine is below the level; CPU_SSE41 is always there. AMX: none of our own, those of
 *  CPU_AVX512_BF16. */
const kernels *kernels_of(cpu_level level);

extern const kernels kernels_plain, kernels_avx2, kernels_avx512, kernels_avx512_bf16;

/* What the templates (*_tmpl.c) define for the instruction set `isa`: load_avx2 and so on, of the members' types. */
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
    KERNEL_MEMBER(kernels, gemm, gemm_##isa);                                                                          \
    KERNEL_MEMBER(kernels, gemm_scratch, gemm_scratch_##isa);                                                          \
    KERNEL_MEMBER(kernels, direct, direct_##isa);                                                                      \
    KERNEL_MEMBER(kernels, direct_scratch, direct_scratch_##isa);                                                      \
    KERNEL_MEMBER(kernels, unscale, unscale_##isa);                                                                    \
    KERNEL_MEMBER(kernels, update, update_##isa);                                                                      \
    KERNEL_MEMBER(conv_kernels, dw, winograd_dw_##isa);                                                                \
    KERNEL_MEMBER(conv_kernels, dw_scratch, winograd_dw_scratch_##isa);                                                \
    KERNEL_MEMBER(conv_kernels, dw_back, winograd_dw_back_##isa);                                                      \
    extern const conv_kernels winograd_2d_##isa, winograd_1d_##isa, pointwise_##isa

KERNELS_DECLARED(plain);
KERNELS_DECLARED(avx2);
KERNELS_DECLARED(avx512);
KERNELS_DECLARED(avx512_bf16);

#endif
