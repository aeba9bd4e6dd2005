/** wgrad of a convolution in fp32 as a matrix product for each tap, by a native kernel. Internal to src/backend/cpu.
 *
 *  Each thread computes either the dw of a range of pixels, which are then added, or some rows of dw. Results are
 *  bit-identical for the same number of threads. */
#ifndef LINNET_BACKEND_CPU_ALGO_WGRAD_IMPLICIT_GEMM_H
#define LINNET_BACKEND_CPU_ALGO_WGRAD_IMPLICIT_GEMM_H

#include "backend/cpu/simd/kernels.h"

typedef struct wgrad_implicit_gemm_plan {
    const wgrad_implicit_gemm_kernels *kernels;
    conv_shape shape;
    int parts, threads;
    bool by_pixels;              /* parts are ranges of y's pixels, otherwise of its channels */
    size_t dw_bytes, part_bytes; /* workspace: of a (taps, k, c) dw; per part, for packing */
} wgrad_implicit_gemm_plan;

wgrad_implicit_gemm_plan wgrad_implicit_gemm_planned(const wgrad_implicit_gemm_kernels *set, int threads,
                                                     const conv_shape *s);
size_t wgrad_implicit_gemm_workspace(const wgrad_implicit_gemm_plan *p);
/** dw (k, c, kernel, kernel) = wgrad, or += if `add`; dy (n, p, q, k), x (n, h, w, c) fp32. */
void wgrad_implicit_gemm_run(const wgrad_implicit_gemm_plan *p, float *dw, const float *dy, const float *x, bool add,
                             void *workspace);

#endif
