/** The stride of a 1x1 convolution taken out before its weight gradient: x at y's positions alone. Where oneDNN (2.6.3,
 *  3.7.2) does that itself, threads write over each other's rows when x has fewer channels than a vector
 *  (docs/numerics.md). Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_SUBSAMPLE_H
#define LINNET_BACKEND_CPU_ALGO_SUBSAMPLE_H

#include "backend/cpu/algo/onednn.h"

typedef struct subsample_plan {
    tensor_shape x, y; /* of the convolution */
    int stride, threads;
    size_t pixel_bytes, bytes; /* of a pixel of x; of the result, 0: the convolution is left as it is */
} subsample_plan;

/** Changes `c` to the convolution of stride 1 with the same weight gradient, if it is 1x1 with a stride. */
subsample_plan subsample_planned(onednn_conv *c, int threads);
/** out (bytes): 64-byte aligned */
void subsample_run(const subsample_plan *p, void *out, const void *x);

#endif
