/** The weight gradient of a convolution larger than 1x1 by the device's own kernel, where product.h's is used. Rows of
 * dw are split among the threads, so that the result does not depend on their number. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_TAPS_H
#define LINNET_BACKEND_CPU_ALGO_TAPS_H

#include "backend/cpu/simd/kernels.h"

typedef struct taps_plan {
    const kernels *kernels;
    conv_shape shape;
    int parts, threads;
    size_t part_bytes; /* scratch of one part */
} taps_plan;

/** Whether the kernel suits the shape: with few channels it would multiply zeros. */
bool taps_suit(const conv_shape *s);
/** `set->taps` is there. */
taps_plan taps_planned(const kernels *set, int threads, const conv_shape *s);
size_t taps_plan_scratch(const taps_plan *p);
/** dw (k, c, kernel, kernel) fp32 =, or += when `add`, the gradient of w from x (n, h, w, c) and dy (n, p, q, k), bf16.
 */
void taps_run(const taps_plan *p, float *dw, const uint16_t *dy, const uint16_t *x, bool add, void *scratch);

#endif
