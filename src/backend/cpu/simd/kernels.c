/* Which kernels belong to a CPU level. */
#include "backend/cpu/simd/kernels.h"

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
