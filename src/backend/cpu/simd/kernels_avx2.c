/* kernels.inc.c for this instruction set; backend.cmake gives the flags. */
#define KERNELS kernels_avx2
#define KERNELS_NAME "avx2"
#include "backend/cpu/simd/kernels.inc.c"
