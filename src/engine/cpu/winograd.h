/** 3x3 convolutions with stride 1 and padding 1, and their data gradients, with fewer multiplications: 4/9 of them
 *  (winograd.inc.c) or, bf16 only, 2/3 (winograd_line.inc.c). In fp32 the sums are as exact as plain ones, to a bit or
 *  two; in bf16 what is multiplied has been rounded once more. Parts of y are split among the threads; the result does
 * not depend on their number. Internal to src/engine/cpu. */
#ifndef LINNET_ENGINE_CPU_WINOGRAD_H
#define LINNET_ENGINE_CPU_WINOGRAD_H

#include "engine/cpu/kernels.h"

typedef struct winograd_plan {
    const winograd_kernels *kernels; /* NULL: not planned */
    conv_shape shape;                /* of the convolution, or of the one that its data gradient is */
    bool bf16, gradient;
    int threads;
    size_t weights_bytes, part_bytes; /* scratch: the transformed weights, then each part's */
} winograd_plan;

/** The kernels of `set` for a shape that suits: channels in whole vectors, and tiles enough that transforming the
 * weights is worth it. NULL: none. square: 4/9 of the multiplications in bf16 too; fp32 has nothing else. */
const winograd_kernels *winograd_for(const kernels *set, const conv_shape *s, bool bf16, bool square);
/** gradient: of dx from dy, for the convolution of shape `s`. */
winograd_plan winograd_planned(const winograd_kernels *k, int threads, const conv_shape *s, bool bf16, bool gradient);
/** 0 where nothing is planned. */
size_t winograd_scratch(const winograd_plan *p);
/** y (n, p, q, k) = the convolution of x (n, h, w, c) with w (k, c, 3, 3) fp32; for a gradient dx from dy. x and y fp32
 * or bf16, 64-byte aligned as scratch is. */
void winograd_run(const winograd_plan *p, void *y, const void *x, const float *w, void *scratch);

#endif
