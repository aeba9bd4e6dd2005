/* kernels.inc.c for this instruction set; backend.cmake gives the flags. */
#define KERNELS kernels_avx512
#define KERNELS_NAME "avx512"
#include "backend/cpu/simd/kernels.inc.c"
