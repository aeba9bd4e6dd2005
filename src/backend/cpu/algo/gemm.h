/** The weight gradient of a 1x1 convolution as a plain product dw = dy^T x, by the device's own kernel where the
 *  instruction set has bf16 products but no tiles of them (AMX: there oneDNN's is faster). Internal to src/backend/cpu.
 *
 *  Rows are split among the threads, each with a dw of its own, or the rows of dw; the same thread count gives the
 *  same bytes. */
#ifndef LINNET_BACKEND_CPU_ALGO_GEMM_H
#define LINNET_BACKEND_CPU_ALGO_GEMM_H

#include "backend/cpu/simd/kernels.h"

typedef struct gemm_plan {
    const kernels *kernels;
    size_t m; /* rows (pixels) of dy and x */
    int k, c; /* channels of dy and x */
    int parts, threads;
    bool by_rows;      /* parts are ranges of the m rows, else of the k channels */
    size_t part_bytes; /* scratch of one part's packing */
} gemm_plan;

/** `set->gemm` is there. */
gemm_plan gemm_planned(const kernels *set, int threads, size_t m, int k, int c);
size_t gemm_plan_scratch(const gemm_plan *p);
/** dw (k, c) fp32 = dy^T x, or += when `add`; dy (m, k), x (m, c) bf16. */
void gemm_run(const gemm_plan *p, float *dw, const uint16_t *dy, const uint16_t *x, bool add, void *scratch);

#endif
