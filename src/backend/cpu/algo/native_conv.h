/** Convolutions by own kernels, and their data gradients: 3x3 with stride 1 and padding 1 with fewer multiplications,
 * 4/9 of them (winograd_2d_tmpl.c) or, bf16 only, 2/3 (winograd_1d_tmpl.c); 1x1 with stride 1 in bf16
 * (pointwise_tmpl.c). In fp32 the sums are as exact as plain ones, to a bit or two; what is multiplied in bf16 has been
 * rounded once more for 3x3. Parts of y are split among the threads; the result does not depend on their number.
 * Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_NATIVE_CONV_H
#define LINNET_BACKEND_CPU_ALGO_NATIVE_CONV_H

#include "backend/cpu/algo/conv_algo.h"

typedef struct native_conv_plan {
    const conv_kernels *kernels;
    conv_shape shape; /* of the convolution, or of the one that its data gradient is */
    bool bf16, gradient, stream;
    int threads;
    size_t weights_bytes, part_bytes; /* scratch: the transformed weights, then each part's */
} native_conv_plan;

/** Whether 2-D Winograd computes the convolution and its gradients: 3x3, channels in multiples of 32, and enough output
 * tiles to pay for the transform of the weights. In bf16 only with engine_options.winograd, and not at the AMX level.
 */
bool winograd_2d_applicable(const conv_problem *p);
/** gradient: of dx from dy, for the convolution of shape `s`. stream: past the caches where the kernels can. */
native_conv_plan native_conv_planned(const conv_kernels *k, int threads, const conv_shape *s, bool bf16, bool gradient,
                                     bool stream);
size_t native_conv_scratch(const native_conv_plan *p);
/** y (n, p, q, k) = the convolution of x (n, h, w, c) with w (k, c, kernel, kernel) fp32; for a gradient dx from dy. x
 * and y fp32 or bf16, 64-byte aligned as scratch is. */
void native_conv_run(const native_conv_plan *p, void *y, const void *x, const float *w, void *scratch);

#endif
