/* Vectors of LANES floats in the compiler's own vector types; intrinsics only where it has no word for the thing:
 * bit masks and rounding to bf16. */
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

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

/* `lanes` < LANES at a row's end: the rest reads as 0 and is not written. */
INLINE vf load_f32(const float *p, int lanes) {
    vf v = {0};
    memcpy(&v, p, (size_t)lanes * sizeof *p);
    return v;
}

INLINE void store_f32(float *p, vf v, int lanes) { memcpy(p, &v, (size_t)lanes * sizeof *p); }

INLINE vh round_bf16(vf v) {
#ifdef __AVX512BF16__
    return (vh)_mm512_cvtneps_pbh((__m512)v);
#else
    vu bits = (vu)v;
    vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    vu quiet = (bits >> 16) | 0x40; /* adding to a NaN could make it infinite */
    vu nan = (vu)(v != v);
    return __builtin_convertvector((rounded & ~nan) | (quiet & nan), vh);
#endif
}

INLINE vf widen_bf16(vh h) { return (vf)(__builtin_convertvector(h, vu) << 16); }

/** Element i of a tensor and its neighbours. */
INLINE vf load_x(const void *p, size_t i, int lanes, bool bf16) {
    if (!bf16)
        return load_f32((const float *)p + i, lanes);
    vh h = {0};
    memcpy(&h, (const uint16_t *)p + i, (size_t)lanes * 2);
    return widen_bf16(h);
}

INLINE void store_x(void *p, size_t i, vf v, int lanes, bool bf16) {
    if (!bf16) {
        store_f32((float *)p + i, v, lanes);
        return;
    }
    vh h = round_bf16(v);
    memcpy((uint16_t *)p + i, &h, (size_t)lanes * 2);
}

INLINE vf choose(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }

/** Bit i: !(v[i] <= 0), so that a NaN passes. */
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

/** v where the bit is set, else 0. */
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
