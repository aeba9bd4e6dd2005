/** Convolutions and their dgrad by native kernels: 3x3 with stride 1 and padding 1 by Winograd algorithms with 4/9 of
 *  the multiplications (winograd_2d_tmpl.c) or, bf16 only, 2/3 (winograd_1d_tmpl.c), 1x1 with stride 1 in bf16
 *  (pointwise_tmpl.c), and kernels up to 3x3 with any stride in fp32 (implicit_gemm_tmpl.c). In fp32 the error is that
 * of a direct convolution, plus a bit or two. In bf16 the 3x3 algorithms round the factors once more. Parts of y are
 * distributed over the threads; the result does not depend on their number. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_NATIVE_CONV_H
#define LINNET_BACKEND_CPU_ALGO_NATIVE_CONV_H

#include "backend/cpu/algo/conv_algo.h"

typedef struct native_conv_plan {
    const conv_kernels *kernels;
    conv_shape shape; /* of the convolution, or of the convolution that computes its dgrad */
    bool bf16, gradient, stream;
    int threads;
    size_t weights_bytes, part_bytes; /* workspace: transformed weights, then a part per thread */
} native_conv_plan;

/** Whether 2-D Winograd computes the convolution and its gradients: 3x3, channels a multiple of 32, and enough output
 *  tiles to amortise the transform of the weights. In bf16 only with engine_options.winograd, and not at the AMX
 *  level. */
bool winograd_2d_applicable(const conv_problem *p);
/** gradient: plans dgrad, which computes dx from dy, of the convolution of shape `s`. stream: use non-temporal stores
 *  if the kernels support them. */
native_conv_plan native_conv_planned(const conv_kernels *k, int threads, const conv_shape *s, bool bf16, bool gradient,
                                     bool stream);
size_t native_conv_workspace(const native_conv_plan *p);
/** y (n, p, q, k) = convolution of x (n, h, w, c) with fp32 w (k, c, kernel, kernel); for dgrad y is dx and x is dy. x
 *  and y are fp32 or bf16. x, y and workspace are 64-byte aligned. */
void native_conv_run(const native_conv_plan *p, void *y, const void *x, const float *w, void *workspace);

#endif
