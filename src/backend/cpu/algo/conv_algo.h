/** The algorithms of convolutions: one row each, and for each pass and CPU level the list of those to try, the best
 *  first. The first that is applicable computes the pass. Internal to src/backend/cpu.
 *
 *  To add one: a file in this folder with its row, and a place for the row in the lists (conv_algo.c). */
#ifndef LINNET_BACKEND_CPU_ALGO_CONV_ALGO_H
#define LINNET_BACKEND_CPU_ALGO_CONV_ALGO_H

#include "backend/cpu/algo/onednn.h"
#include "backend/cpu/algo/packed_weights.h"
#include "backend/cpu/simd/kernels.h"

typedef enum conv_pass { CONV_FORWARD, CONV_DGRAD, CONV_WGRAD, CONV_PASSES } conv_pass;

/** What is to be computed, and with what. Borrowed during create alone, but for onednn, packed weights and kernels,
 * which outlive what is made with them. */
typedef struct conv_problem {
    onednn_conv conv;          /* y_type: of y; dy has x_type */
    bool winograd;             /* engine_options.winograd: 3x3 in bf16 with 4/9 of the multiplications */
    bool x_streams, y_streams; /* dx, y: better written past the caches */
    cpu_level level;
    const kernels *kernels;
    int threads;
    onednn *onednn;
    packed_weights *packed;
    int weight;                   /* parameter number */
    bool onednn_fails;            /* wgrad: onednn_row_too_wide */
    packed_weight *packed_weight; /* the weights as forward packs them, set by its create; NULL: it does not */
} conv_problem;

/** Addresses of one run. A pass reads what it needs and writes its result: y, dx or dw. */
typedef struct conv_args {
    void *x, *y; /* or dx, dy */
    const float *weight;
    uint64_t version; /* of the weights */
    float *dw;        /* (k, c, kernel, kernel) */
    bool accumulate;  /* dw: += instead of = */
    void *workspace;  /* 64-byte aligned; keeps nothing between runs */
} conv_args;

typedef struct conv_algo {
    const char *name;
    bool (*applicable)(const conv_problem *p);
    /** `*plan` is NULL where only planning shows that the algorithm is not applicable.
     *  @return 0, E_DEVICE, E_NOMEM */
    int (*create)(void **plan, conv_problem *p);
    size_t (*workspace)(const void *plan); /* bytes */
    /** @return 0, E_DEVICE, E_NOMEM */
    int (*run)(void *plan, const conv_args *a);
    void (*destroy)(void *plan); /* takes NULL */
} conv_algo;

/** One pass of a layer. */
typedef struct conv_run {
    const conv_algo *algo; /* NULL: not planned */
    void *plan;
} conv_run;

/** @return the list of the level, up to a NULL; the last one is applicable to all convolutions */
const conv_algo *const *conv_algos(conv_pass pass, cpu_level level);
/** Plans the pass by the first algorithm that is applicable.
 *  @return 0, E_DEVICE, E_NOMEM */
int conv_run_create(conv_run *out, conv_problem *p, conv_pass pass);
void conv_run_destroy(conv_run *r);
/** 0 where nothing is planned. */
size_t conv_run_workspace(const conv_run *r);

/** A plan of a fixed size, copied into memory of its own, for `destroy` = free.
 *  @return 0, E_NOMEM */
int conv_plan_keep(void **out, const void *plan, size_t bytes);

extern const conv_algo conv_forward_winograd_2d, conv_forward_winograd_1d, conv_forward_pointwise,
    conv_forward_onednn_by_image, conv_forward_onednn;
extern const conv_algo conv_dgrad_winograd_2d, conv_dgrad_winograd_1d, conv_dgrad_pointwise, conv_dgrad_onednn;
extern const conv_algo conv_wgrad_winograd_2d, conv_wgrad_gemm, conv_wgrad_direct, conv_wgrad_onednn_gemm,
    conv_wgrad_onednn_split, conv_wgrad_onednn;

#endif
