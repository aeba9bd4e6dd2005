/* The kernels of kernels.h for the instruction set that the includer is compiled for. */
#include "backend/cpu/simd/kernels.h"

#include "backend/cpu/simd/vector.inc.c"

#include "backend/cpu/simd/bn.inc.c"
#include "backend/cpu/simd/flat.inc.c"
#include "backend/cpu/simd/pool.inc.c"

#include "backend/cpu/simd/tile.inc.c"

#include "backend/cpu/simd/direct.inc.c"
#include "backend/cpu/simd/gemm.inc.c"
#include "backend/cpu/simd/winograd.inc.c"
#include "backend/cpu/simd/winograd_dw.inc.c"
#include "backend/cpu/simd/winograd_line.inc.c"

#include "backend/cpu/simd/pointwise.inc.c"

const kernels KERNELS = {
    .name = KERNELS_NAME,
    .load = load,
    .bn_sums = bn_sums,
    .bn_apply = bn_apply,
    .bn_gradient_sums = bn_gradient_sums,
    .bn_gradient_apply = bn_gradient_apply,
    .maxpool = maxpool,
    .maxpool_gradient = maxpool_gradient,
    .avgpool = avgpool,
    .avgpool_gradient = avgpool_gradient,
    .to_bf16 = to_bf16,
#ifdef __AVX512BF16__
    .gemm = gemm,
    .gemm_scratch = gemm_scratch,
    .direct = direct,
    .direct_scratch = direct_scratch,
    .winograd_1d = &winograd_1d,
    .pointwise = &pointwise_kernels,
#endif
#if LANES == 16 || defined(__AVX2__)
    .winograd_2d = &winograd_2d,
#endif
    .unscale = unscale,
    .update = update,
};
