/* kernels.inc.c for this instruction set; backend.cmake gives the flags. */
#define KERNELS kernels_avx512_bf16
#define KERNELS_NAME "avx512_bf16"
#include "backend/cpu/simd/kernels.inc.c"
