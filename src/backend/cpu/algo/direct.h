/** The weight gradient of a convolution larger than 1x1 by the device's own kernel, where gemm.h's is used. Rows of
 * dw are split among the threads, so that the result does not depend on their number. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_DIRECT_H
#define LINNET_BACKEND_CPU_ALGO_DIRECT_H

#include "backend/cpu/simd/kernels.h"

typedef struct direct_plan {
    const kernels *kernels;
    conv_shape shape;
    int parts, threads;
    size_t part_bytes; /* scratch of one part */
} direct_plan;

/** Whether the kernel suits the shape: with few channels it would multiply zeros. */
bool direct_suits(const conv_shape *s);
/** `set->direct` is there. */
direct_plan direct_planned(const kernels *set, int threads, const conv_shape *s);
size_t direct_plan_scratch(const direct_plan *p);
/** dw (k, c, kernel, kernel) fp32 =, or += when `add`, the gradient of w from x (n, h, w, c) and dy (n, p, q, k), bf16.
 */
void direct_run(const direct_plan *p, float *dw, const uint16_t *dy, const uint16_t *x, bool add, void *scratch);

#endif
