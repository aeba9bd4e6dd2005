/** GEMM tiles with bf16 dot products of pairs. For wgrad (gemm, direct), two rows are packed so that their values are
 *  adjacent, as the instruction requires: dy in panels of 8 channels, x in panels of 32. A tile of 8 x 32 of dw stays
 *  in registers. For forward and dgrad (winograd_1d, pointwise), two adjacent channels of a row are a pair, and a tile
 *  of 14 x 32 stays in registers. */
#ifndef LINNET_BACKEND_CPU_SIMD_TILE_TMPL_H
#define LINNET_BACKEND_CPU_SIMD_TILE_TMPL_H

#include "backend/cpu/simd/vector_tmpl.h"

enum { TILE_K = 8, TILE_C = 32, LINE_BYTES = 64 };

/** Panels have one additional cache line, so that they do not all map to the same cache set. */
INLINE size_t panel_words(size_t pairs, int width) { return pairs * (size_t)width + LINE_BYTES / sizeof(uint32_t); }

INLINE size_t panels_of(int channels, int width) { return ((size_t)channels + (size_t)width - 1) / (size_t)width; }

/** Packs columns [0, n) of two rows, pair by pair, into panels of 32 (`wide`) or 8 channels, with panel stride `panel`
 *  words. odd NULL: zeros. Writes whole groups of 32 channels. */
INLINE void pack_pair(uint32_t *out, size_t panel, const uint16_t *even, const uint16_t *odd, int n, bool wide) {
    static const _Alignas(64)
        uint16_t order[2][32] = {{0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                  8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47},
                                 {16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55,
                                  24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63}};
    __m512i low = _mm512_load_si512(order[0]), high = _mm512_load_si512(order[1]);
    for (int k = 0; k < n; k += TILE_C) {
        __mmask32 valid = n - k < TILE_C ? (1u << (n - k)) - 1 : ~0u;
        __m512i a = _mm512_maskz_loadu_epi16(valid, even + k);
        __m512i b = odd != NULL ? _mm512_maskz_loadu_epi16(valid, odd + k) : _mm512_setzero_si512();
        __m512i first = _mm512_permutex2var_epi16(a, low, b), second = _mm512_permutex2var_epi16(a, high, b);
        if (wide) {
            uint32_t *o = out + (size_t)(k / TILE_C) * panel;
            _mm512_store_si512(o, first);
            _mm512_store_si512(o + 16, second);
        } else {
            uint32_t *o = out + (size_t)(k / TILE_K) * panel;
            _mm256_store_si256((__m256i *)o, _mm512_castsi512_si256(first));
            _mm256_store_si256((__m256i *)(o + panel), _mm512_extracti64x4_epi64(first, 1));
            _mm256_store_si256((__m256i *)(o + 2 * panel), _mm512_castsi512_si256(second));
            _mm256_store_si256((__m256i *)(o + 3 * panel), _mm512_extracti64x4_epi64(second, 1));
        }
    }
}

/** The pairs of one tile: outer x inner rows of `length`. The rows of dy are contiguous; the rows of x have the given
 *  strides in words. */
typedef struct tile_rows {
    int outer, inner, length;
    size_t outer_step, inner_step;
} tile_rows;

/** out (8 x 32, row stride `stride`) = the product of two panels, or += if add. next (or NULL): memory to prefetch, one
 *  cache line per two pairs. */
INLINE void tile(float *out, size_t stride, const uint32_t *a, const uint32_t *b, const tile_rows *rows, bool add,
                 const char *next) {
    __m512 sum[TILE_K][2];
#pragma GCC unroll 8
    for (int i = 0; i < TILE_K; i++) {
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
        _mm_prefetch((const char *)(out + (size_t)i * stride), _MM_HINT_T0);
        _mm_prefetch((const char *)(out + (size_t)i * stride + 16), _MM_HINT_T0);
    }
    for (int j = 0; j < rows->outer; j++)
        for (int r = 0; r < rows->inner; r++) {
            const uint32_t *x = b + (size_t)j * rows->outer_step + (size_t)r * rows->inner_step;
            for (int p = 0; p < rows->length; p++, a += TILE_K, x += TILE_C) {
                __m512bh x0 = (__m512bh)_mm512_load_si512(x), x1 = (__m512bh)_mm512_load_si512(x + 16);
                if (next != NULL && p % 2 == 0)
                    _mm_prefetch(next + (size_t)p / 2 * LINE_BYTES, _MM_HINT_T1);
#pragma GCC unroll 8
                for (int i = 0; i < TILE_K; i++) {
                    __m512bh dy = (__m512bh)_mm512_set1_epi32((int)a[i]);
                    sum[i][0] = _mm512_dpbf16_ps(sum[i][0], dy, x0);
                    sum[i][1] = _mm512_dpbf16_ps(sum[i][1], dy, x1);
                }
            }
        }
#pragma GCC unroll 8
    for (int i = 0; i < TILE_K; i++)
        for (int j = 0; j < 2; j++) {
            float *o = out + (size_t)i * stride + 16 * j;
            _mm512_storeu_ps(o, add ? _mm512_add_ps(_mm512_loadu_ps(o), sum[i][j]) : sum[i][j]);
        }
}

enum { ROW_TILE = 14 /* maximum number of rows whose sums stay in registers */ };

/** sum += the product of `rows` rows of words, with row stride `step`, and v (words, TILE_C). */
INLINE void add_row_products(__m512 sum[ROW_TILE][2], const uint32_t *x, size_t step, const uint32_t *v, size_t words,
                             int rows) {
    for (size_t p = 0; p < words; p++, v += TILE_C) {
        __m512bh v0 = (__m512bh)_mm512_load_si512(v), v1 = (__m512bh)_mm512_load_si512(v + 16);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            __m512bh word = (__m512bh)_mm512_set1_epi32((int)x[(size_t)i * step + p]);
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], word, v0);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], word, v1);
        }
    }
}

#endif
