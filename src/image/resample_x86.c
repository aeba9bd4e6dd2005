#include "image/resample_x86.h"

#ifdef RESAMPLE_X86

#include "base/cpu_level.h"

#include <immintrin.h>
#include <string.h>

/* A coefficient of 23 bits does not fit the multipliers, so it is split into digits. The products of each digit are
 * summed separately and combined at the end; modulo 2^32 the result is the exact sum.
 *   avx2: k = high * 2^11 + low, pairs of taps as 16 bits: words {low01, low23, high01, high23}
 *   vnni: k = d2 * 2^16 + d1 * 2^8 + d0, four taps as signed bytes: words {d0, d1, d2, 0} */

#define AVX2 __attribute__((target("avx2")))
#define VNNI __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512vnni")))
#define LOW_BITS 11

static int32_t halves(int32_t low, int32_t high) { return (int32_t)((uint32_t)(uint16_t)low | (uint32_t)high << 16); }

static void avx2_pack(int32_t packed[RESAMPLE_TAPS], const int32_t k[RESAMPLE_TAPS]) {
    int32_t mask = (1 << LOW_BITS) - 1;
    packed[0] = halves(k[0] & mask, k[1] & mask);
    packed[1] = halves(k[2] & mask, k[3] & mask);
    packed[2] = halves(k[0] >> LOW_BITS, k[1] >> LOW_BITS);
    packed[3] = halves(k[2] >> LOW_BITS, k[3] >> LOW_BITS);
}

static bool avx2_usable(void) { return cpu_level_get() >= CPU_AVX2; }

/** Combines the sums of both digits to 8 RGBX words of 0..255. */
AVX2 static inline __m256i avx2_join(__m256i low, __m256i high) {
    return _mm256_srai_epi32(_mm256_add_epi32(low, _mm256_slli_epi32(high, LOW_BITS)), RESAMPLE_BITS);
}

AVX2 static void avx2_horizontal(uint8_t *out, const uint8_t *row, const resample_axis *a) {
    /* 4 RGBX pixels to pairs of values of one channel: taps 0 and 1, taps 2 and 3, as 16 bits */
    const __m256i pair0 =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1));
    const __m256i pair1 =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1));
    const __m256i half = _mm256_set1_epi32(1 << (RESAMPLE_BITS - 1));
    for (int o = 0; o < a->padded_n; o += 2) {
        const uint8_t *p0 = row + (size_t)a->first[o] * 4, *p1 = row + (size_t)a->first[o + 1] * 4;
        const int32_t *packed = a->packed + (size_t)o * RESAMPLE_TAPS;
        __m256i low = half, high = _mm256_setzero_si256();
        for (int g = 0; g < a->groups; g++, p0 += 16, p1 += 16, packed += (size_t)a->padded_n * RESAMPLE_TAPS) {
            __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p0));
            v = _mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *)p1), 1);
            __m256i k = _mm256_load_si256((const __m256i *)packed);
            __m256i v0 = _mm256_shuffle_epi8(v, pair0), v1 = _mm256_shuffle_epi8(v, pair1);
            low = _mm256_add_epi32(low, _mm256_madd_epi16(v0, _mm256_shuffle_epi32(k, 0x00)));
            low = _mm256_add_epi32(low, _mm256_madd_epi16(v1, _mm256_shuffle_epi32(k, 0x55)));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(v0, _mm256_shuffle_epi32(k, 0xaa)));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(v1, _mm256_shuffle_epi32(k, 0xff)));
        }
        __m256i words = avx2_join(low, high);
        __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(words, words), words);
        int32_t left = _mm256_cvtsi256_si32(bytes), right = _mm256_extract_epi32(bytes, 4);
        memcpy(out + o * 4, &left, 4);
        memcpy(out + o * 4 + 4, &right, 4);
    }
}

/** Adds two taps of 16 columns (rows x and y, digits low and high) to the four sums of each. */
AVX2 static inline void avx2_two_rows(__m256i low[2], __m256i high[2], __m128i x, __m128i y, __m256i k_low,
                                      __m256i k_high) {
    __m256i a = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x, y));
    __m256i b = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(x, y));
    low[0] = _mm256_add_epi32(low[0], _mm256_madd_epi16(a, k_low));
    low[1] = _mm256_add_epi32(low[1], _mm256_madd_epi16(b, k_low));
    high[0] = _mm256_add_epi32(high[0], _mm256_madd_epi16(a, k_high));
    high[1] = _mm256_add_epi32(high[1], _mm256_madd_epi16(b, k_high));
}

AVX2 static void avx2_vertical(uint8_t *out, const uint8_t *const *rows, const resample_axis *a, int at, size_t bytes) {
    const __m256i half = _mm256_set1_epi32(1 << (RESAMPLE_BITS - 1));
    for (size_t i = 0; i < bytes; i += 16) {
        const int32_t *k = a->packed + (size_t)at * RESAMPLE_TAPS;
        const uint8_t *const *r = rows;
        __m256i low[2] = {half, half}, high[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (int g = 0; g < a->groups; g++, r += RESAMPLE_TAPS, k += (size_t)a->padded_n * RESAMPLE_TAPS) {
            avx2_two_rows(low, high, _mm_loadu_si128((const __m128i *)(r[0] + i)),
                          _mm_loadu_si128((const __m128i *)(r[1] + i)), _mm256_set1_epi32(k[0]),
                          _mm256_set1_epi32(k[2]));
            avx2_two_rows(low, high, _mm_loadu_si128((const __m128i *)(r[2] + i)),
                          _mm_loadu_si128((const __m128i *)(r[3] + i)), _mm256_set1_epi32(k[1]),
                          _mm256_set1_epi32(k[3]));
        }
        /* columns 0-7 and 8-15 are in order across the lanes: pack, then reorder the 64-bit quarters */
        __m256i words = _mm256_packs_epi32(avx2_join(low[0], high[0]), avx2_join(low[1], high[1]));
        words = _mm256_permute4x64_epi64(words, 0xd8);
        __m128i packed = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(out + i), packed);
    }
}

AVX2 static void avx2_emit(uint8_t *rgb, const uint8_t *rgbx, int n, bool flip) {
    const __m128i forward = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    const __m128i backward = _mm_setr_epi8(12, 13, 14, 8, 9, 10, 4, 5, 6, 0, 1, 2, -1, -1, -1, -1);
    const __m128i order = flip ? backward : forward;
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        const uint8_t *from = rgbx + (size_t)(flip ? n - 4 - i : i) * 4;
        __m128i v = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)from), order);
        int32_t last = _mm_extract_epi32(v, 2);
        _mm_storel_epi64((__m128i *)(rgb + i * 3), v);
        memcpy(rgb + i * 3 + 8, &last, 4);
    }
    for (; i < n; i++)
        memcpy(rgb + i * 3, rgbx + (size_t)(flip ? n - 1 - i : i) * 4, 3);
}

const resample_kernels resample_avx2 = {.name = "avx2",
                                        .usable = avx2_usable,
                                        .pack = avx2_pack,
                                        .horizontal = avx2_horizontal,
                                        .vertical = avx2_vertical,
                                        .emit = avx2_emit};

static void vnni_pack(int32_t packed[RESAMPLE_TAPS], const int32_t k[RESAMPLE_TAPS]) {
    int8_t digits[4][RESAMPLE_TAPS] = {{0}};
    for (int t = 0; t < RESAMPLE_TAPS; t++) {
        int32_t rest = k[t];
        for (int d = 0; d < 3; d++) {
            digits[d][t] = (int8_t)(((rest + 128) & 255) - 128);
            rest = (rest - digits[d][t]) >> 8;
        }
    }
    memcpy(packed, digits, sizeof digits);
}

static bool vnni_usable(void) { return cpu_level_get() >= CPU_AVX512 && __builtin_cpu_supports("avx512vnni"); }

VNNI static inline __m512i vnni_join(__m512i d0, __m512i d1, __m512i d2) {
    __m512i sum = _mm512_add_epi32(d0, _mm512_add_epi32(_mm512_slli_epi32(d1, 8), _mm512_slli_epi32(d2, 16)));
    return _mm512_srai_epi32(sum, RESAMPLE_BITS);
}

VNNI static inline __attribute__((always_inline)) void vnni_horizontal_groups(uint8_t *out, const uint8_t *row,
                                                                              const resample_axis *a, int groups) {
    const __m512i by_channel =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m512i half = _mm512_set1_epi32(1 << (RESAMPLE_BITS - 1));
    for (int o = 0; o < a->padded_n; o += RESAMPLE_STEP) {
        const int32_t *first = a->first + o, *packed = a->packed + (size_t)o * RESAMPLE_TAPS;
        const uint8_t *pixels = row;
        __m512i d0 = half, d1 = _mm512_setzero_si512(), d2 = _mm512_setzero_si512();
        for (int g = 0; g < groups; g++, pixels += 16, packed += (size_t)a->padded_n * RESAMPLE_TAPS) {
            __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(pixels + (size_t)first[0] * 4)));
            v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(pixels + (size_t)first[1] * 4)), 1);
            v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(pixels + (size_t)first[2] * 4)), 2);
            v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(pixels + (size_t)first[3] * 4)), 3);
            v = _mm512_shuffle_epi8(v, by_channel);
            __m512i k = _mm512_load_si512(packed);
            d0 = _mm512_dpbusd_epi32(d0, v, _mm512_shuffle_epi32(k, 0x00));
            d1 = _mm512_dpbusd_epi32(d1, v, _mm512_shuffle_epi32(k, 0x55));
            d2 = _mm512_dpbusd_epi32(d2, v, _mm512_shuffle_epi32(k, 0xaa));
        }
        __m512i words = _mm512_max_epi32(vnni_join(d0, d1, d2), _mm512_setzero_si512());
        _mm_storeu_si128((__m128i *)(out + o * 4), _mm512_cvtusepi32_epi8(words));
    }
}

/* most filters have at most four taps: with the constant 1, the loop is unrolled */
VNNI static void vnni_horizontal(uint8_t *out, const uint8_t *row, const resample_axis *a) {
    if (a->groups == 1)
        vnni_horizontal_groups(out, row, a, 1);
    else
        vnni_horizontal_groups(out, row, a, a->groups);
}

/** Interleaves four rows of 64 columns: one register per quarter of each lane, with 4 columns x 4 taps per lane. */
VNNI static inline void vnni_interleave(__m512i v[4], const uint8_t *const *rows, size_t at, __mmask64 some) {
    __m512i r0 = _mm512_maskz_loadu_epi8(some, rows[0] + at), r1 = _mm512_maskz_loadu_epi8(some, rows[1] + at);
    __m512i r2 = _mm512_maskz_loadu_epi8(some, rows[2] + at), r3 = _mm512_maskz_loadu_epi8(some, rows[3] + at);
    __m512i low01 = _mm512_unpacklo_epi8(r0, r1), high01 = _mm512_unpackhi_epi8(r0, r1);
    __m512i low23 = _mm512_unpacklo_epi8(r2, r3), high23 = _mm512_unpackhi_epi8(r2, r3);
    v[0] = _mm512_unpacklo_epi16(low01, low23);
    v[1] = _mm512_unpackhi_epi16(low01, low23);
    v[2] = _mm512_unpacklo_epi16(high01, high23);
    v[3] = _mm512_unpackhi_epi16(high01, high23);
}

VNNI static void vnni_vertical(uint8_t *out, const uint8_t *const *rows, const resample_axis *a, int at, size_t bytes) {
    const __m512i half = _mm512_set1_epi32(1 << (RESAMPLE_BITS - 1));
    for (size_t i = 0; i < bytes; i += 64) {
        __mmask64 some = bytes - i >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << (bytes - i)) - 1;
        const int32_t *k = a->packed + (size_t)at * RESAMPLE_TAPS;
        const uint8_t *const *r = rows;
        __m512i d[4][3];
        for (int q = 0; q < 4; q++)
            d[q][0] = half, d[q][1] = d[q][2] = _mm512_setzero_si512();
        for (int g = 0; g < a->groups; g++, r += RESAMPLE_TAPS, k += (size_t)a->padded_n * RESAMPLE_TAPS) {
            __m512i v[4];
            vnni_interleave(v, r, i, some);
            for (int q = 0; q < 4; q++)
                for (int digit = 0; digit < 3; digit++)
                    d[q][digit] = _mm512_dpbusd_epi32(d[q][digit], v[q], _mm512_set1_epi32(k[digit]));
        }
        __m512i low = _mm512_packs_epi32(vnni_join(d[0][0], d[0][1], d[0][2]), vnni_join(d[1][0], d[1][1], d[1][2]));
        __m512i high = _mm512_packs_epi32(vnni_join(d[2][0], d[2][1], d[2][2]), vnni_join(d[3][0], d[3][1], d[3][2]));
        _mm512_mask_storeu_epi8(out + i, some, _mm512_packus_epi16(low, high));
    }
}

const resample_kernels resample_vnni = {.name = "vnni",
                                        .usable = vnni_usable,
                                        .pack = vnni_pack,
                                        .horizontal = vnni_horizontal,
                                        .vertical = vnni_vertical,
                                        .emit = avx2_emit};

#endif
