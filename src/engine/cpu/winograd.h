/** 3x3 convolutions with stride 1 and padding 1, and their data gradients, with 4/9 of the multiplications
 *  (winograd.inc.c). In fp32 the sums are as exact as plain ones, to a bit or two; in bf16 what is multiplied has been
 *  rounded once more. Tiles of y are split among the threads; the result does not depend on their number. Internal to
 *  src/engine/cpu. */
#ifndef LINNET_ENGINE_CPU_WINOGRAD_H
#define LINNET_ENGINE_CPU_WINOGRAD_H

#include "engine/cpu/kernels.h"

typedef struct winograd_plan {
    const kernels *kernels; /* NULL: not planned */
    conv_shape shape;       /* of the convolution, or of the one that its data gradient is */
    bool bf16, gradient;
    int threads;
    size_t weights_bytes, part_bytes; /* scratch: the transformed weights, then each part's */
} winograd_plan;

/** Whether the set has the kernel and it suits the shape: channels in whole vectors, and tiles enough that transforming
 * the weights is worth it. */
bool winograd_suits(const kernels *set, const conv_shape *s, bool bf16);
/** gradient: of dx from dy, for the convolution of shape `s`. */
winograd_plan winograd_planned(const kernels *set, int threads, const conv_shape *s, bool bf16, bool gradient);
/** 0 where nothing is planned. */
size_t winograd_scratch(const winograd_plan *p);
/** y (n, p, q, k) = the convolution of x (n, h, w, c) with w (k, c, 3, 3) fp32; for a gradient dx from dy. x and y fp32
 * or bf16, 64-byte aligned as scratch is. */
void winograd_run(const winograd_plan *p, void *y, const void *x, const float *w, void *scratch);

#endif
