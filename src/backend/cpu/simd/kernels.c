/* The kernels of each CPU level. */
#include "backend/cpu/simd/kernels.h"

#define FOR_ALL(isa)                                                                                                   \
    .name = #isa, .load = load_##isa, .bn_sums = bn_sums_##isa, .bn_apply = bn_apply_##isa,                            \
    .bn_gradient_sums = bn_gradient_sums_##isa, .bn_gradient_apply = bn_gradient_apply_##isa,                          \
    .maxpool = maxpool_##isa, .maxpool_gradient = maxpool_gradient_##isa, .avgpool = avgpool_##isa,                    \
    .avgpool_gradient = avgpool_gradient_##isa, .to_bf16 = to_bf16_##isa, .scale = scale_##isa,                        \
    .squares = squares_##isa, .update = update_##isa, .adamw = adamw_##isa, .rmsprop = rmsprop_##isa,                  \
    .lamb_moments = lamb_moments_##isa, .lamb = lamb_##isa

const kernels kernels_plain = {FOR_ALL(plain)};
#ifdef LINNET_X86
const kernels kernels_avx2 = {FOR_ALL(avx2), .winograd_2d = &winograd_2d_avx2, .implicit_gemm = &implicit_gemm_avx2,
                              .wgrad_implicit_gemm = &wgrad_implicit_gemm_avx2};
const kernels kernels_avx512 = {FOR_ALL(avx512), .winograd_2d = &winograd_2d_avx512};
const kernels kernels_avx512_bf16 = {FOR_ALL(avx512_bf16),
                                     .wgrad_gemm = wgrad_gemm_avx512_bf16,
                                     .wgrad_gemm_workspace = wgrad_gemm_workspace_avx512_bf16,
                                     .wgrad_direct = wgrad_direct_avx512_bf16,
                                     .wgrad_direct_workspace = wgrad_direct_workspace_avx512_bf16,
                                     .winograd_2d = &winograd_2d_avx512_bf16,
                                     .winograd_1d = &winograd_1d_avx512_bf16,
                                     .pointwise = &pointwise_avx512_bf16};
#endif

const kernels *kernels_of(cpu_level level) {
    if (level > cpu_level_of_machine())
        return NULL;
    switch (level) {
#ifdef LINNET_X86
    case CPU_AVX2: return &kernels_avx2;
    case CPU_AVX512: return &kernels_avx512;
    case CPU_AVX512_BF16:
    case CPU_AMX: return &kernels_avx512_bf16;
#endif
    default: return &kernels_plain;
    }
}
