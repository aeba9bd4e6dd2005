/* The kernels of kernels.h for the instruction set that the includer is compiled for. */
#include "backend/cpu/simd/kernels.h"

#include "backend/cpu/simd/vector.inc.c"

#include "backend/cpu/simd/bn.inc.c"
#include "backend/cpu/simd/flat.inc.c"
#include "backend/cpu/simd/pool.inc.c"

#include "backend/cpu/simd/tile.inc.c"

#include "backend/cpu/simd/product.inc.c"
#include "backend/cpu/simd/taps.inc.c"
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
    .product = product,
    .product_scratch = product_scratch,
    .taps = taps,
    .taps_scratch = taps_scratch,
    .line = &winograd_line,
    .pointwise = &pointwise_kernels,
#endif
#if LANES == 16 || defined(__AVX2__)
    .square = &winograd_square,
#endif
    .unscale = unscale,
    .update = update,
};
