/* wgrad of the convolution in winograd_2d_tmpl.c, as its transpose:
 *
 *     dw = G^T [ sum over tiles of (A dy A^T) * (B^T x B) ] G
 *
 * So each position of the transformed tile is a GEMM of (k, tiles) with (tiles, c). A block of tiles of x and dy is
 * transformed into the panels that the GEMM reads, and its products are added to the sums. In bf16 a word is a pair:
 * the same tile position of two images. */
#include "backend/cpu/simd/winograd_tmpl.h"

enum {
    WINO_DW_WORDS = 64,                               /* words per block */
    WINO_DW_X_PANEL = WINO_DW_WORDS * WINO_WIDE + 16, /* words; padded, because panels must not share a cache set */
    WINO_DW_DY_PANEL = WINO_DW_WORDS * WINO_ROWS + 16
};

INLINE size_t wino_x_plane(int c) { return (size_t)c / WINO_WIDE * WINO_DW_X_PANEL; }
INLINE size_t wino_dy_plane(int k) { return (size_t)k / WINO_ROWS * WINO_DW_DY_PANEL; }

size_t SIMD_NAME(wgrad_winograd_workspace)(const conv_shape *s, int k) {
    return WINO_PLACES * (wino_x_plane(s->x.c) + wino_dy_plane(k)) * sizeof(uint32_t);
}

INLINE vu wino_word(vf a, vf b, bool bf16) { return bf16 ? wino_pair(a, b) : (vu)a; }

/** Transforms one tile of x and, in bf16, that of the pair's second image; stores one word per position. */
INLINE void wino_dw_x_tile(uint32_t *out, size_t plane, vf a[4][4], vf b[4][4], bool bf16) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        vf first[4], second[4];
        wino_row(first, a, j);
        if (bf16)
            wino_row(second, b, j);
        for (int i = 0; i < 4; i++) {
            vu word = wino_word(first[i], bf16 ? second[i] : first[i], bf16);
            memcpy(out + (size_t)(4 * j + i) * plane, &word, sizeof word);
        }
    }
}

/** u: (position, panel of c, word, WINO_WIDE). */
INLINE void wino_dw_x(uint32_t *u, const wgrad_winograd_part *t, size_t begin, size_t end, bool bf16) {
    const tensor_shape *x = &t->shape->x;
    size_t at = 0, images = bf16 ? 2 : 1;
    for (size_t word = begin; word < end;) {
        wino_run r = wino_run_of(t->shape, word, end);
        size_t image = r.image * images, other = image + 1 < (size_t)x->n ? image + 1 : image;
        wino_lines l = wino_lines_of(t->x, x, image, r.row, bf16), l2 = wino_lines_of(t->x, x, other, r.row, bf16);
        for (int c = 0; c < x->c; c += LANES) {
            vf a[4][4], b[4][4];
            uint32_t *out = u + (size_t)(c / WINO_WIDE) * WINO_DW_X_PANEL + at * WINO_WIDE + (size_t)(c % WINO_WIDE);
            for (int i = 0; i < 2; i++) {
                wino_column(a[i], &l, x, 2 * r.column - 1 + i, c, bf16);
                if (bf16)
                    wino_column(b[i], &l2, x, 2 * r.column - 1 + i, c, bf16);
            }
            for (int i = 0; i < r.length; i++, out += WINO_WIDE) {
                for (int j = 2; j < 4; j++) {
                    wino_column(a[j], &l, x, 2 * (r.column + i) - 1 + j, c, bf16);
                    if (bf16)
                        wino_column(b[j], &l2, x, 2 * (r.column + i) - 1 + j, c, bf16);
                }
                wino_dw_x_tile(out, wino_x_plane(x->c), a, b, bf16);
                wino_advance(a);
                if (bf16)
                    wino_advance(b);
            }
        }
        at += (size_t)r.length;
        word += (size_t)r.length;
    }
}

/** Multiplies A by a vector of two. */
INLINE void wino_spread(vf out[4], vf first, vf second) {
    out[0] = first;
    out[1] = first + second;
    out[2] = first - second;
    out[3] = -second;
}

/** A dy of one tile, for LANES channels from `at`; zeros beyond the edges of y. exists: false for a missing second
 *  image. */
INLINE void wino_dw_dy_tile(vf out[2][4], const wgrad_winograd_part *t, size_t at, bool below, bool beside, bool exists,
                            bool bf16) {
    size_t step = (size_t)t->shape->y.c, line = (size_t)t->shape->y.w * step;
    vf d[2][2] = {{{0}, {0}}, {{0}, {0}}};
    if (exists) {
        d[0][0] = load_x(t->dy, at, LANES, bf16);
        if (beside)
            d[0][1] = load_x(t->dy, at + step, LANES, bf16);
        if (below)
            d[1][0] = load_x(t->dy, at + line, LANES, bf16);
        if (below && beside)
            d[1][1] = load_x(t->dy, at + line + step, LANES, bf16);
    }
    wino_spread(out[0], d[0][0], d[1][0]);
    wino_spread(out[1], d[0][1], d[1][1]);
}

/** u: (position, panel of k, word, WINO_ROWS). */
INLINE void wino_dw_dy(uint32_t *u, const wgrad_winograd_part *t, size_t begin, size_t end, bool bf16) {
    const tensor_shape *y = &t->shape->y;
    size_t at = 0, images = bf16 ? 2 : 1, line = (size_t)y->w * (size_t)y->c, whole = (size_t)y->h * line;
    for (size_t word = begin; word < end;) {
        wino_run r = wino_run_of(t->shape, word, end);
        size_t image = r.image * images;
        bool below = 2 * r.row + 1 < y->h, pair = image + 1 < (size_t)y->n;
        size_t first = image * whole + 2 * (size_t)r.row * line + 2 * (size_t)r.column * (size_t)y->c;
        for (int k = 0; k < t->k; k += LANES)
            for (int i = 0; i < r.length; i++) {
                bool beside = 2 * (r.column + i) + 1 < y->w;
                size_t from = first + 2 * (size_t)i * (size_t)y->c + (size_t)k;
                uint32_t *out = u + (size_t)(k / WINO_ROWS) * WINO_DW_DY_PANEL + (at + (size_t)i) * WINO_ROWS;
                vf a[2][4], b[2][4];
                wino_dw_dy_tile(a, t, from, below, beside, true, bf16);
                if (bf16)
                    wino_dw_dy_tile(b, t, from + whole, below, beside, pair, bf16);
                for (int j = 0; j < 4; j++) {
                    vf row[4], row2[4];
                    wino_spread(row, a[0][j], a[1][j]);
                    if (bf16)
                        wino_spread(row2, b[0][j], b[1][j]);
                    for (int m = 0; m < 4; m++, out += wino_dy_plane(t->k)) {
                        vu v = wino_word(row[m], bf16 ? row2[m] : row[m], bf16);
                        memcpy(out, &v, sizeof v / 2);
                        memcpy(out + WINO_DW_DY_PANEL, (const char *)&v + sizeof v / 2, sizeof v / 2);
                    }
                }
            }
        at += (size_t)r.length;
        word += (size_t)r.length;
    }
}

INLINE void wino_dw_blocks(const wgrad_winograd_part *t, void *workspace, bool bf16) {
    size_t c = (size_t)t->shape->x.c, place = (size_t)t->shape->y.c * c;
    size_t x_plane = wino_x_plane(t->shape->x.c), dy_plane = wino_dy_plane(t->k);
    uint32_t *x = workspace, *dy = x + WINO_PLACES * x_plane;
    for (size_t begin = t->begin; begin < t->end; begin += WINO_DW_WORDS) {
        size_t end = begin + WINO_DW_WORDS < t->end ? begin + WINO_DW_WORDS : t->end;
        wino_dw_x(x, t, begin, end, bf16);
        wino_dw_dy(dy, t, begin, end, bf16);
        for (size_t i = 0; i < WINO_PLACES; i++)
            for (size_t j = 0; j < c; j += WINO_WIDE)
                for (size_t k = 0; k < (size_t)t->k; k += WINO_ROWS)
                    wino_product(t->sums + i * place + k * c + j, c,
                                 dy + i * dy_plane + k / WINO_ROWS * WINO_DW_DY_PANEL, (wino_steps){1, WINO_ROWS},
                                 x + i * x_plane + j / WINO_WIDE * WINO_DW_X_PANEL, end - begin, bf16,
                                 begin > t->begin);
    }
}

static __attribute__((noinline)) void wino_dw_blocks_f32(const wgrad_winograd_part *t, void *workspace) {
    wino_dw_blocks(t, workspace, false);
}

void SIMD_NAME(wgrad_winograd)(const wgrad_winograd_part *t, void *workspace) {
#ifdef __AVX512BF16__
    if (t->bf16) {
        wino_dw_blocks(t, workspace, true);
        return;
    }
#endif
    wino_dw_blocks_f32(t, workspace);
}

/** Multiplies G^T by a vector of four. */
INLINE void wino_gather_up(vf out[3], vf a, vf b, vf c, vf d) {
    vf half = splat(0.5f), sum = half * (b + c);
    out[0] = a + sum;
    out[1] = half * (b - c);
    out[2] = sum + d;
}

void SIMD_NAME(wgrad_winograd_inverse)(const wgrad_winograd_sums *t) {
    size_t c = (size_t)t->c, place = (size_t)t->k * c;
    for (size_t k = t->begin; k < t->end; k++)
        for (size_t i = 0; i < c; i += LANES) {
            vf rows[3][4], tap_of[3][3];
            for (size_t j = 0; j < 4; j++) {
                vf d[4], up[3];
                for (size_t r = 0; r < 4; r++) {
                    const float *in = t->sums + (4 * r + j) * place + k * c + i;
                    d[r] = load_f32(in, LANES);
                    for (int p = 1; p < t->parts; p++)
                        d[r] += load_f32(in + (size_t)p * WINO_PLACES * place, LANES);
                }
                wino_gather_up(up, d[0], d[1], d[2], d[3]);
                for (int r = 0; r < 3; r++)
                    rows[r][j] = up[r];
            }
            for (int r = 0; r < 3; r++)
                wino_gather_up(tap_of[r], rows[r][0], rows[r][1], rows[r][2], rows[r][3]);
            float *out = t->dw + (k * c + i) * 9;
            for (int lane = 0; lane < LANES; lane++)
                for (int tap = 0; tap < 9; tap++, out++)
                    *out = (t->add ? *out : 0) + tap_of[tap / 3][tap % 3][lane];
        }
}
