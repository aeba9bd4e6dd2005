/** 16-bit floats: fp16 (IEEE 754 binary16) and bf16 (the upper half of binary32). Conversions round to nearest, ties
 *  to even; values too large for the format become infinite; NaNs become quiet NaNs with the same sign. Results do
 *  not depend on the machine. The functions have no branches, so compilers can vectorise loops over them. The vector
 *  versions are in backend/cpu/simd/vector_tmpl.h; there AVX-512's bf16 instruction treats denormal numbers as 0. */
#ifndef LINNET_BASE_HALF_H
#define LINNET_BASE_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define F16_MAX 65504.0 /* the largest finite fp16 */

#define HALF_INLINE static inline __attribute__((always_inline))
#define HALF_EXPONENT(n) ((uint32_t)(n) << 23)

HALF_INLINE uint32_t half_float_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

HALF_INLINE float half_bits_float(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

HALF_INLINE uint16_t bf16_from_float(float f) {
    uint32_t bits = half_float_bits(f), rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    uint32_t nan = bits >> 16 | 0x40; /* quiet; rounding could make it infinite */
    return (uint16_t)((bits & 0x7fffffff) > HALF_EXPONENT(255) ? nan : rounded);
}

HALF_INLINE float bf16_to_float(uint16_t h) { return half_bits_float((uint32_t)h << 16); }

HALF_INLINE uint16_t f16_from_float(float f) {
    uint32_t bits = half_float_bits(f), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;
    uint32_t normal = (a - HALF_EXPONENT(127 - 15) + 0xfff + (a >> 13 & 1)) >> 13;
    uint32_t tiny = half_float_bits(half_bits_float(a) + 0.5f) - half_float_bits(0.5f); /* spacing at 0.5: 2^-24 */
    uint32_t finite = a < HALF_EXPONENT(127 - 14) ? tiny : normal;
    uint32_t large = a > HALF_EXPONENT(255) ? 0x7e00 : 0x7c00;
    return (uint16_t)(sign | (a < half_float_bits(65520) ? finite : large)); /* 65520: rounds to infinity */
}

HALF_INLINE float f16_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, a = h & 0x7fff;
    uint32_t normal = (a << 13) + HALF_EXPONENT(127 - 15);
    uint32_t tiny = half_float_bits((float)(int32_t)a * 0x1p-24f);
    uint32_t special = (a << 13) + HALF_EXPONENT(255 - 31);
    return half_bits_float(sign | (a < 0x400 ? tiny : a < 0x7c00 ? normal : special));
}

/** Rounds to odd: if the result is inexact, its last bit is 1. Rounding it again to a format with at least two bits
 *  fewer then gives the same result as rounding x directly. Source: Boldo, Melquiond 2008. */
HALF_INLINE float half_float_odd(double x) {
    float f = (float)x;
    if ((double)f == x)
        return f;
    uint32_t toward_zero = half_float_bits(f) - (fabs((double)f) > fabs(x));
    return half_bits_float(toward_zero | 1);
}

HALF_INLINE uint16_t bf16_from_double(double x) { return bf16_from_float(half_float_odd(x)); }
HALF_INLINE uint16_t f16_from_double(double x) { return f16_from_float(half_float_odd(x)); }

#endif
