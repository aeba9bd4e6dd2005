/* Which kernels this machine can run. */
#include "backend/cpu/simd/kernels.h"

static kernel_level forced = KERNEL_LEVELS;

const kernels *kernels_of(kernel_level level) {
    switch (level) {
    case KERNELS_PLAIN: return &kernels_plain;
#ifdef LINNET_X86
    case KERNELS_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernels_avx2 : NULL;
    case KERNELS_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
                   ? &kernels_avx512
                   : NULL;
    case KERNELS_AVX512_BF16:
        return kernels_of(KERNELS_AVX512) != NULL && __builtin_cpu_supports("avx512bf16") ? &kernels_avx512_bf16 : NULL;
#endif
    default: return NULL;
    }
}

const kernels *kernels_best(void) {
    if (forced < KERNEL_LEVELS && kernels_of(forced) != NULL)
        return kernels_of(forced);
    kernel_level level = KERNEL_LEVELS - 1;
    while (kernels_of(level) == NULL)
        level--;
    return kernels_of(level);
}

void kernels_force(kernel_level level) { forced = level; }
