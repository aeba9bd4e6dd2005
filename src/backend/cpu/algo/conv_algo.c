/* The algorithms of each pass and CPU level, in the order in which they are tried. */
#include "backend/cpu/algo/conv_algo.h"

#include "base/status.h"

#include <stdio.h>

#define LIST(...)                                                                                                      \
    (const conv_algo *const[]) { __VA_ARGS__, NULL }

static const conv_algo *const *const lists[CONV_PASSES][CPU_LEVELS] =
    {
        [CONV_FORWARD] =
            {
                [CPU_SSE41] = LIST(&conv_forward_onednn_by_image, &conv_forward_onednn),
                [CPU_AVX2] = LIST(&conv_forward_winograd_2d, &conv_forward_implicit_gemm, &conv_forward_onednn_by_image,
                                  &conv_forward_onednn),
                [CPU_AVX512] = LIST(&conv_forward_winograd_2d, &conv_forward_onednn_by_image, &conv_forward_onednn),
                [CPU_AVX512_BF16] = LIST(&conv_forward_pointwise, &conv_forward_winograd_2d, &conv_forward_winograd_1d,
                                         &conv_forward_onednn_by_image, &conv_forward_onednn),
                [CPU_AMX] = LIST(&conv_forward_winograd_2d, &conv_forward_onednn_by_image, &conv_forward_onednn),
            },
        [CONV_DGRAD] =
            {
                [CPU_SSE41] = LIST(&conv_dgrad_onednn),
                [CPU_AVX2] = LIST(&conv_dgrad_winograd_2d, &conv_dgrad_implicit_gemm, &conv_dgrad_onednn),
                [CPU_AVX512] = LIST(&conv_dgrad_winograd_2d, &conv_dgrad_onednn),
                [CPU_AVX512_BF16] =
                    LIST(&conv_dgrad_pointwise, &conv_dgrad_winograd_2d, &conv_dgrad_winograd_1d, &conv_dgrad_onednn),
                [CPU_AMX] = LIST(&conv_dgrad_winograd_2d, &conv_dgrad_onednn),
            },
        [CONV_WGRAD] =
            {
                [CPU_SSE41] = LIST(&conv_wgrad_onednn_split, &conv_wgrad_onednn),
                [CPU_AVX2] = LIST(&conv_wgrad_winograd_2d, &conv_wgrad_implicit_gemm, &conv_wgrad_onednn_split,
                                  &conv_wgrad_onednn),
                [CPU_AVX512] = LIST(&conv_wgrad_winograd_2d, &conv_wgrad_onednn_split, &conv_wgrad_onednn),
                [CPU_AVX512_BF16] = LIST(&conv_wgrad_winograd_2d, &conv_wgrad_gemm,
                                         &conv_wgrad_direct, &conv_wgrad_onednn_split, &conv_wgrad_onednn),
                [CPU_AMX] = LIST(&conv_wgrad_winograd_2d, &conv_wgrad_direct, &conv_wgrad_onednn_gemm,
                                 &conv_wgrad_onednn_split, &conv_wgrad_onednn),
            },
};

const conv_algo *const *conv_algos(conv_pass pass, cpu_level level) { return lists[pass][level]; }

int conv_run_create(conv_run *out, conv_problem *p, conv_pass pass) {
    int rc = OK;
    *out = (conv_run){0};
    for (const conv_algo *const *a = conv_algos(pass, p->level); *a != NULL && out->plan == NULL; a++) {
        if (!(*a)->applicable(p))
            continue;
        TRY((*a)->create(&out->plan, p));
        out->algo = *a;
    }
done:
    return rc;
}

void conv_run_destroy(conv_run *r) {
    if (r->algo != NULL)
        r->algo->destroy(r->plan);
    *r = (conv_run){0};
}

size_t conv_run_workspace(const conv_run *r) { return r->algo != NULL ? r->algo->workspace(r->plan) : 0; }

void conv_run_describe(engine_algorithm *out, const conv_run *r) {
    if (r->algo == NULL)
        return;
    snprintf(out->name, sizeof out->name, "%s", r->algo->name);
    if (r->algo->implementation == NULL)
        return;
    const char *implementation = r->algo->implementation(r->plan);
    snprintf(out->implementation, sizeof out->implementation, "%s", implementation);
    out->reference = onednn_is_reference(implementation);
}
