/** wgrad of the 3x3 convolutions of native_conv.h by 2-D Winograd. The work is distributed over the threads by channels
 *  of dy and, if there are too few, also by tiles. Results are bit-identical for the same number of threads. Internal
 *  to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_WGRAD_WINOGRAD_H
#define LINNET_BACKEND_CPU_ALGO_WGRAD_WINOGRAD_H

#include "backend/cpu/simd/kernels.h"

typedef struct wgrad_winograd_plan {
    const conv_kernels *kernels;
    conv_shape shape;
    bool bf16;
    int threads, k_parts, word_parts;
    size_t sums_bytes, part_bytes; /* workspace: the sums of each word part, then the transformed tiles of each part */
} wgrad_winograd_plan;

/** k: must have weight gradients (kernels.winograd_2d). */
wgrad_winograd_plan wgrad_winograd_planned(const conv_kernels *k, int threads, const conv_shape *s, bool bf16);
size_t wgrad_winograd_workspace(const wgrad_winograd_plan *p);
/** dw (k, c, 3, 3) fp32 = the weight gradient, or += if `add`, from x (n, h, w, c) and dy (n, h, w, k). */
void wgrad_winograd_run(const wgrad_winograd_plan *p, float *dw, const void *dy, const void *x, bool add,
                        void *workspace);

#endif
