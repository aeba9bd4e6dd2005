/** Replaces a strided 1x1 convolution in wgrad by one of stride 1, on a copy of x that contains only the positions that
 *  y uses. If oneDNN (2.6.3, 3.7.2) handles the stride itself, threads overwrite each other's rows when x has fewer
 *  channels than a vector (docs/numerics.md). Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_SUBSAMPLE_H
#define LINNET_BACKEND_CPU_ALGO_SUBSAMPLE_H

#include "backend/cpu/algo/onednn.h"

typedef struct subsample_plan {
    tensor_shape x, y; /* shapes of the convolution */
    int stride, threads;
    size_t pixel_bytes, bytes; /* size of a pixel of x; size of the copy, 0: the convolution is unchanged */
} subsample_plan;

/** If `c` is 1x1 with a stride, changes it to the convolution of stride 1 that has the same weight gradient. */
subsample_plan subsample_planned(onednn_conv *c, int threads);
/** Copies the pixels of x to out (p->bytes, 64-byte aligned). */
void subsample_run(const subsample_plan *p, void *out, const void *x);

#endif
