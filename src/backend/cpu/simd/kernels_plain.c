/* kernels.inc.c for this instruction set; backend.cmake gives the flags. */
#define KERNELS kernels_plain
#define KERNELS_NAME "plain"
#include "backend/cpu/simd/kernels.inc.c"
