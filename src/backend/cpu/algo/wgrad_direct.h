/** wgrad of a convolution larger than 1x1 by a native kernel, at the CPU level AVX-512 bf16. With AMX, oneDNN computes
 *  it, except where onednn_row_too_wide. Rows of dw are distributed over the threads, so the result does not depend on
 *  their number. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_WGRAD_DIRECT_H
#define LINNET_BACKEND_CPU_ALGO_WGRAD_DIRECT_H

#include "backend/cpu/simd/kernels.h"

typedef struct wgrad_direct_plan {
    const kernels *kernels;
    conv_shape shape;
    int parts, threads;
    size_t part_bytes; /* workspace per part */
} wgrad_direct_plan;

/** Whether the kernel suits the shape: with few channels it would mostly multiply zeros. */
bool direct_suits(const conv_shape *s);
/** Requires `set->wgrad_direct`. */
wgrad_direct_plan wgrad_direct_planned(const kernels *set, int threads, const conv_shape *s);
size_t wgrad_direct_plan_workspace(const wgrad_direct_plan *p);
/** dw (k, c, kernel, kernel) fp32 = the weight gradient, or += if `add`, from x (n, h, w, c) and dy (n, p, q, k), both
 *  bf16. */
void wgrad_direct_run(const wgrad_direct_plan *p, float *dw, const uint16_t *dy, const uint16_t *x, bool add,
                      void *workspace);

#endif
