/** Vectors of LANES floats as GCC vector types. Intrinsics are used where these have no equivalent (bit masks, rounding
 *  to bf16) or compile badly (widening: GCC 12 converts element by element). Part of the templates (*_tmpl.c), which
 *  backend.cmake compiles once per instruction set SIMD. */
#ifndef LINNET_BACKEND_CPU_SIMD_VECTOR_TMPL_H
#define LINNET_BACKEND_CPU_SIMD_VECTOR_TMPL_H

#include "backend/cpu/simd/kernels.h"

#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

/** NAME_avx2 in the object for avx2: the names of a template's external symbols. */
#define SIMD_NAME(name) SIMD_NAME_OF(name, SIMD)
#define SIMD_NAME_OF(name, isa) SIMD_NAME_PASTED(name, isa)
#define SIMD_NAME_PASTED(name, isa) name##_##isa

#define INLINE static inline __attribute__((always_inline))

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * LANES)));
typedef uint16_t vh __attribute__((vector_size(2 * LANES)));
typedef uint8_t vb __attribute__((vector_size(LANES)));

INLINE vf splat(float f) { return f - (vf){0}; }

/* At the end of a row `lanes` < LANES: the other lanes are read as 0 and not written. */
INLINE vf load_f32(const float *p, int lanes) {
    vf v = {0};
    memcpy(&v, p, (size_t)lanes * sizeof *p);
    return v;
}

INLINE void store_f32(float *p, vf v, int lanes) { memcpy(p, &v, (size_t)lanes * sizeof *p); }

INLINE vi is_nan(vf v) { return ~(vi)(v <= splat(__builtin_inff())); }

INLINE vh round_bf16(vf v) {
#ifdef __AVX512BF16__
    return (vh)_mm512_cvtneps_pbh((__m512)v);
#else
    vu bits = (vu)v;
    vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    vu quiet = (bits >> 16) | 0x40; /* rounding could turn a NaN into infinity */
    vu nan = (vu)is_nan(v);
    return __builtin_convertvector((rounded & ~nan) | (quiet & nan), vh);
#endif
}

INLINE vf widen_bf16(vh h) {
#if LANES == 16
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)h), 16);
#elif defined(__AVX2__)
    return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32((__m128i)h), 16);
#else
    return (vf)(__builtin_convertvector(h, vu) << 16);
#endif
}

INLINE vi widen_u8(vb b) {
#if LANES == 16
    return (vi)_mm512_cvtepu8_epi32((__m128i)b);
#elif defined(__AVX2__)
    return (vi)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)b));
#else
    return __builtin_convertvector(b, vi);
#endif
}

INLINE vb narrow_u8(vi v) {
#if LANES == 16
    return (vb)_mm512_cvtepi32_epi8((__m512i)v);
#else
    return __builtin_convertvector(v, vb);
#endif
}

/** Loads `lanes` elements of a tensor, from element i. */
INLINE vf load_x(const void *p, size_t i, int lanes, bool bf16) {
    if (!bf16)
        return load_f32((const float *)p + i, lanes);
    vh h = {0};
    memcpy(&h, (const uint16_t *)p + i, (size_t)lanes * 2);
    return widen_bf16(h);
}

enum { AHEAD_BYTES = 2048 };

/** Prefetches for sequential loads: with several tensors at once, the hardware prefetcher does not keep up. */
INLINE void fetch_ahead(const void *p, size_t i, bool bf16) {
    __builtin_prefetch((const char *)p + i * (bf16 ? sizeof(uint16_t) : sizeof(float)) + AHEAD_BYTES);
}

INLINE void store_x(void *p, size_t i, vf v, int lanes, bool bf16) {
    if (!bf16) {
        store_f32((float *)p + i, v, lanes);
        return;
    }
    vh h = round_bf16(v);
    memcpy((uint16_t *)p + i, &h, (size_t)lanes * 2);
}

/** The same with a non-temporal store. The address must be a multiple of the vector size. Call finish_streams() before
 *  other threads read. */
INLINE void stream_x(void *p, size_t i, vf v, bool bf16) {
#if LANES == 16
    if (bf16)
        _mm256_stream_si256((__m256i *)((uint16_t *)p + i), (__m256i)round_bf16(v));
    else
        _mm512_stream_ps((float *)p + i, (__m512)v);
#elif defined(__AVX2__)
    if (bf16)
        _mm_stream_si128((__m128i *)((uint16_t *)p + i), (__m128i)round_bf16(v));
    else
        _mm256_stream_ps((float *)p + i, (__m256)v);
#else
    store_x(p, i, v, LANES, bf16);
#endif
}

INLINE void store_out(void *p, size_t i, vf v, int lanes, bool bf16, bool stream) {
    if (stream && lanes == LANES)
        stream_x(p, i, v, bf16);
    else
        store_x(p, i, v, lanes, bf16);
}

INLINE void finish_streams(bool streamed) {
#ifdef __AVX2__
    if (streamed)
        _mm_sfence();
#else
    (void)streamed;
#endif
}

INLINE vf choose(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }

/** Bit i: !(v[i] <= 0), so NaN sets the bit. */
INLINE uint32_t mask_above_zero(vf v) {
#if LANES == 16
    return _mm512_cmp_ps_mask((__m512)v, _mm512_setzero_ps(), _CMP_NLE_UQ);
#elif defined(__AVX2__)
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps((__m256)v, _mm256_setzero_ps(), _CMP_NLE_UQ));
#else
    uint32_t bits = 0;
    for (int i = 0; i < LANES; i++)
        bits |= (uint32_t) !(v[i] <= 0) << i;
    return bits;
#endif
}

/** v where the bit is set, otherwise 0. */
INLINE vf keep_where(vf v, uint32_t bits) {
#if LANES == 16
    return (vf)_mm512_maskz_mov_ps((__mmask16)bits, (__m512)v);
#else
    const vi bit = {1, 2, 4, 8, 16, 32, 64, 128};
    return (vf)((vi)v & (((int32_t)bits & bit) != 0));
#endif
}

INLINE uint32_t load_mask(const uint8_t *p) {
    uint32_t bits = 0;
    memcpy(&bits, p, LANES / 8);
    return bits;
}

INLINE void store_mask(uint8_t *p, uint32_t bits) { memcpy(p, &bits, LANES / 8); }

INLINE int smaller(int a, int b) { return a < b ? a : b; }

#endif
