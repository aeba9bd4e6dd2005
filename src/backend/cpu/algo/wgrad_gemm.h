/** wgrad of a 1x1 convolution as a GEMM dw = dy^T x, by a native kernel if the instruction set has bf16 dot products
 *  but no AMX (with AMX oneDNN is faster). Internal to src/backend/cpu.
 *
 *  Each thread computes either the dw of a range of rows, which are then added, or some rows of dw. Results are
 *  bit-identical for the same number of threads. */
#ifndef LINNET_BACKEND_CPU_ALGO_WGRAD_GEMM_H
#define LINNET_BACKEND_CPU_ALGO_WGRAD_GEMM_H

#include "backend/cpu/simd/kernels.h"

typedef struct wgrad_gemm_plan {
    const kernels *kernels;
    size_t m; /* rows (pixels) of dy and x */
    int k, c; /* channels of dy and x */
    int parts, threads;
    bool by_rows;      /* parts are ranges of the m rows, otherwise of the k channels */
    size_t part_bytes; /* workspace per part, for packing */
} wgrad_gemm_plan;

/** Requires `set->wgrad_gemm`. */
wgrad_gemm_plan wgrad_gemm_planned(const kernels *set, int threads, size_t m, int k, int c);
size_t wgrad_gemm_plan_workspace(const wgrad_gemm_plan *p);
/** dw (k, c) fp32 = dy^T x, or += if `add`; dy (m, k), x (m, c) bf16. */
void wgrad_gemm_run(const wgrad_gemm_plan *p, float *dw, const uint16_t *dy, const uint16_t *x, bool add,
                    void *workspace);

#endif
