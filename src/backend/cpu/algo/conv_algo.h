/** The convolution algorithms. Each is one conv_algo struct. For each pass and CPU level there is a list of them,
 *  fastest first; the first that is applicable computes the pass. Internal to src/backend/cpu.
 *
 *  To add one: write a file in this folder with its conv_algo, and insert it in the lists (conv_algo.c). */
#ifndef LINNET_BACKEND_CPU_ALGO_CONV_ALGO_H
#define LINNET_BACKEND_CPU_ALGO_CONV_ALGO_H

#include "backend/cpu/algo/onednn.h"
#include "backend/cpu/algo/packed_weights.h"
#include "backend/cpu/simd/kernels.h"

typedef enum conv_pass { CONV_FORWARD, CONV_DGRAD, CONV_WGRAD, CONV_PASSES } conv_pass;

/** Input of create. Algorithms use it only during create, except for onednn, packed and kernels, which outlive the
 *  plans. */
typedef struct conv_problem {
    onednn_conv conv;          /* y_type: type of y; dy has x_type */
    bool winograd;             /* engine_options.winograd: 3x3 in bf16 with 4/9 of the multiplications */
    bool x_streams, y_streams; /* write dx, y with non-temporal stores */
    cpu_level level;
    const kernels *kernels;
    int threads;
    onednn *onednn;
    packed_weights *packed;
    int weight;                   /* parameter index */
    bool onednn_fails;            /* wgrad: result of onednn_row_too_wide */
    packed_weight *packed_weight; /* forward's packed weights, set by its create; NULL: forward does not pack them */
} conv_problem;

/** Addresses of one run. A pass reads its inputs and writes its result: y, dx or dw. */
typedef struct conv_args {
    void *x, *y; /* in dgrad dx, dy; in wgrad x, dy */
    const float *weight;
    uint64_t version; /* version of the weights */
    float *dw;        /* (k, c, kernel, kernel) */
    bool accumulate;  /* dw: += instead of = */
    void *workspace;  /* 64-byte aligned; the contents are not kept between runs */
} conv_args;

typedef struct conv_algo {
    const char *name;
    bool (*applicable)(const conv_problem *p);
    /** Sets `*plan` to NULL if planning finds that the algorithm is not applicable. @return 0, E_DEVICE, E_NOMEM */
    int (*create)(void **plan, conv_problem *p);
    size_t (*workspace)(const void *plan); /* bytes */
    /** @return 0, E_DEVICE, E_NOMEM */
    int (*run)(void *plan, const conv_args *a);
    void (*destroy)(void *plan); /* accepts NULL */
    /** The library's name for the implementation, valid as long as the plan. The pointer is NULL if no library is
     *  used. */
    const char *(*implementation)(const void *plan);
} conv_algo;

/** One pass of a layer. */
typedef struct conv_run {
    const conv_algo *algo; /* NULL: not planned */
    void *plan;
} conv_run;

/** @return the NULL-terminated list for the level; its last algorithm is always applicable */
const conv_algo *const *conv_algos(conv_pass pass, cpu_level level);
/** Plans the pass with the first applicable algorithm. @return 0, E_DEVICE, E_NOMEM */
int conv_run_create(conv_run *out, conv_problem *p, conv_pass pass);
void conv_run_destroy(conv_run *r);
/** 0 if nothing is planned. */
size_t conv_run_workspace(const conv_run *r);
/** Does not change *out if nothing is planned. */
void conv_run_describe(engine_algorithm *out, const conv_run *r);

/** Allocates a copy of a plan of fixed size, to be released by free. @return 0, E_NOMEM */
int conv_plan_keep(void **out, const void *plan, size_t bytes);

extern const conv_algo conv_forward_winograd_2d, conv_forward_winograd_1d, conv_forward_pointwise,
    conv_forward_implicit_gemm, conv_forward_onednn_by_image, conv_forward_onednn;
extern const conv_algo conv_dgrad_winograd_2d, conv_dgrad_winograd_1d, conv_dgrad_pointwise, conv_dgrad_implicit_gemm,
    conv_dgrad_onednn;
extern const conv_algo conv_wgrad_winograd_2d, conv_wgrad_implicit_gemm, conv_wgrad_gemm, conv_wgrad_direct,
    conv_wgrad_onednn_gemm, conv_wgrad_onednn_split, conv_wgrad_onednn;

#endif
