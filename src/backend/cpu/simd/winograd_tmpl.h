/** Shared by the Winograd templates: weight transform, words, tiles of x, GEMM. A word is one float, or two channels in
 *  bf16. Requires AVX2 or later. */
#ifndef LINNET_BACKEND_CPU_SIMD_WINOGRAD_TMPL_H
#define LINNET_BACKEND_CPU_SIMD_WINOGRAD_TMPL_H

#include "backend/cpu/simd/vector_tmpl.h"

enum {
    WINO_PLACES = WINOGRAD_TILE_ELEMENTS,
    WINO_ROWS = LANES == 16 ? 8 : 4, /* tiles whose sums stay in registers */
    WINO_WIDE = 2 * LANES            /* channels of y per panel */
};

INLINE vf wino_gather(const float *p, vi index) {
#if LANES == 16
    return (vf)_mm512_i32gather_ps((__m512i)index, p, 4);
#else
    return (vf)_mm256_i32gather_ps(p, (__m256i)index, 4);
#endif
}

/** Multiplies G by a vector of three. */
INLINE void wino_factors(vf out[4], const vf g[3]) {
    vf half = splat(0.5f);
    out[0] = g[0];
    out[1] = half * (g[0] + g[2] + g[1]);
    out[2] = half * (g[0] + g[2] - g[1]);
    out[3] = g[2];
}

/** Packs a into the lower halves of the words and b into the upper halves. */
INLINE vu wino_pair(vf a, vf b) {
#ifdef __AVX512BF16__
    static const _Alignas(64) uint16_t order[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                    8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
    return (vu)_mm512_permutexvar_epi16(_mm512_load_si512(order), both);
#else
    return __builtin_convertvector(round_bf16(a), vu) | __builtin_convertvector(round_bf16(b), vu) << 16;
#endif
}

/** Consecutive tiles in one row of tiles. */
typedef struct wino_run {
    size_t image;
    int row, column, length;
} wino_run;

INLINE wino_run wino_run_of(const conv_shape *s, size_t tile, size_t end) {
    int across = (s->y.w + 1) / 2, down = (s->y.h + 1) / 2;
    size_t line = tile / (size_t)across;
    wino_run r = {
        .image = line / (size_t)down, .row = (int)(line % (size_t)down), .column = (int)(tile % (size_t)across)};
    size_t left = end - tile;
    r.length = across - r.column;
    if ((size_t)r.length > left)
        r.length = (int)left;
    return r;
}

/** The four rows of x that a row of tiles reads; rows outside x are read as zeros. */
typedef struct wino_lines {
    const void *line[4];
    size_t inside[4]; /* all ones or 0: mask for an offset into the row */
} wino_lines;

static const _Alignas(64) float wino_zeros[LANES];

INLINE wino_lines wino_lines_of(const void *x, const tensor_shape *s, size_t image, int row, bool bf16) {
    wino_lines l;
    for (int i = 0; i < 4; i++) {
        int h = 2 * row - 1 + i;
        bool inside = h >= 0 && h < s->h;
        size_t at = (image * (size_t)s->h + (size_t)h) * (size_t)s->w * (size_t)s->c;
        const char *first = x;
        l.line[i] = inside ? first + at * (bf16 ? sizeof(uint16_t) : sizeof(float)) : (const char *)wino_zeros;
        l.inside[i] = inside ? ~(size_t)0 : 0;
    }
    return l;
}

/** B^T applied to one column of x. */
INLINE void wino_column(vf out[4], const wino_lines *l, const tensor_shape *s, int column, int c, bool bf16) {
    vf d[4] = {{0}, {0}, {0}, {0}};
    if (column >= 0 && column < s->w) {
        size_t at = (size_t)column * (size_t)s->c + (size_t)c;
        for (int i = 0; i < 4; i++)
            d[i] = load_x(l->line[i], at & l->inside[i], LANES, bf16);
    }
    out[0] = d[0] - d[2];
    out[1] = d[1] + d[2];
    out[2] = d[2] - d[1];
    out[3] = d[1] - d[3];
}

/** Row `j` of (B^T x) B, from four columns. */
INLINE void wino_row(vf out[4], vf d[4][4], int j) {
    out[0] = d[0][j] - d[2][j];
    out[1] = d[1][j] + d[2][j];
    out[2] = d[2][j] - d[1][j];
    out[3] = d[1][j] - d[3][j];
}

/** Keeps the last two columns, with which the next tile begins. */
INLINE void wino_advance(vf d[4][4]) {
    for (int j = 0; j < 4; j++) {
        d[0][j] = d[2][j];
        d[1][j] = d[3][j];
    }
}

INLINE vf wino_add_product(vf sum, uint32_t a, vf b, bool bf16) {
#ifdef __AVX512BF16__
    if (bf16)
        return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
#endif
    (void)bf16;
    float f;
    memcpy(&f, &a, sizeof f);
    return sum + splat(f) * b;
}

/** Strides of the left factor: to the next row and to the next word. */
typedef struct wino_steps {
    size_t row, word;
} wino_steps;

/** m (WINO_ROWS, WINO_WIDE; row stride m_step) = u v over `words`, or += if add. */
INLINE void wino_product(float *m, size_t m_step, const uint32_t *u, wino_steps step, const uint32_t *v, size_t words,
                         bool bf16, bool add) {
    vf sum[WINO_ROWS][2];
#pragma GCC unroll 8
    for (size_t i = 0; i < WINO_ROWS; i++) {
        sum[i][0] = sum[i][1] = (vf){0};
        if (add) {
            __builtin_prefetch(m + i * m_step);
            __builtin_prefetch(m + i * m_step + LANES);
        }
    }
    for (size_t p = 0; p < words; p++, v += WINO_WIDE, u += step.word) {
        vf v0, v1;
        memcpy(&v0, v, sizeof v0);
        memcpy(&v1, v + LANES, sizeof v1);
#pragma GCC unroll 8
        for (size_t i = 0; i < WINO_ROWS; i++) {
            uint32_t word = u[i * step.row];
            sum[i][0] = wino_add_product(sum[i][0], word, v0, bf16);
            sum[i][1] = wino_add_product(sum[i][1], word, v1, bf16);
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < WINO_ROWS; i++)
        for (size_t j = 0; j < 2; j++) {
            float *out = m + i * m_step + j * LANES;
            store_f32(out, add ? load_f32(out, LANES) + sum[i][j] : sum[i][j], LANES);
        }
}

#endif
