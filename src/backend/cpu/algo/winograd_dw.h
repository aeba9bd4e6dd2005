/** The weight gradient of the convolutions of native_conv.h. Work is split among the threads by channels of dy, and
 * where there are too few by tiles too; the same thread count gives the same bytes. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_WINOGRAD_DW_H
#define LINNET_BACKEND_CPU_ALGO_WINOGRAD_DW_H

#include "backend/cpu/simd/kernels.h"

typedef struct winograd_dw_plan {
    const conv_kernels *kernels;
    conv_shape shape;
    bool bf16;
    int threads, k_parts, word_parts;
    size_t sums_bytes, part_bytes; /* scratch: sums of each part of the words, then what each part transforms */
} winograd_dw_plan;

/** k: has weight gradients (kernels.winograd_2d). */
winograd_dw_plan winograd_dw_planned(const conv_kernels *k, int threads, const conv_shape *s, bool bf16);
size_t winograd_dw_scratch(const winograd_dw_plan *p);
/** dw (k, c, 3, 3) fp32 =, or += when `add`, the gradient of w from x (n, h, w, c) and dy (n, h, w, k). */
void winograd_dw_run(const winograd_dw_plan *p, float *dw, const void *dy, const void *x, bool add, void *scratch);

#endif
