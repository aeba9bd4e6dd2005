/* A 3x3 convolution with stride 1 and padding 1, with 16 multiplications instead of 36: Winograd's F(2x2, 3x3) (Lavin
 * and Gray, Fast Algorithms for Convolutional Neural Networks, 2015). y is divided into tiles of 2x2, each of which
 * depends on 4x4 of x:
 *
 *     y = A^T [ sum over c of (G w G^T) * (B^T x B) ] A      (* element by element: 16 positions)
 *
 *     B^T = 1  0 -1  0      G = 1    0    0       A^T = 1  1  1  0
 *           0  1  1  0          1/2  1/2  1/2           0  1 -1 -1
 *           0 -1  1  0          1/2 -1/2  1/2
 *           0  1  0 -1          0    0    1
 *
 * So each position is a GEMM of (tiles, c) with (c, k). A block of tiles is transformed, multiplied for a panel of k,
 * and transformed back while it is in the L2 cache. The GEMM reads words: one float, or two channels in bf16. */
#include "backend/cpu/simd/winograd_tmpl.h"

enum {
    WINO_BLOCK = 32,                           /* tiles per block */
    WINO_GROUP = 8,                            /* so that only the last thread has partly filled GEMM tiles */
    WINO_M_PLANE = WINO_BLOCK * WINO_WIDE + 16 /* floats per position; + 16: no shared cache set */
};

static size_t wino_tiles(const conv_shape *s) {
    return (size_t)s->y.n * (size_t)((s->y.h + 1) / 2) * (size_t)((s->y.w + 1) / 2);
}

INLINE size_t wino_words(int c, bool bf16) { return bf16 ? (size_t)c / 2 : (size_t)c; }

/** Words per position of the transformed block. */
INLINE size_t wino_plane(int c, bool bf16) { return WINO_BLOCK * wino_words(c, bf16) + 16; }

static size_t wino_workspace(const conv_shape *s, bool bf16) {
    return WINO_PLACES * (wino_plane(s->x.c, bf16) + WINO_M_PLANE) * sizeof(float);
}

static size_t wino_weights_bytes(const conv_shape *s, bool bf16) {
    return WINO_PLACES * wino_words(s->x.c, bf16) * (size_t)s->y.c * sizeof(float);
}

/** G w G^T for LANES channels of y. w: 3x3 weights of the first channel; index: offsets of the others. */
INLINE void wino_weight(vf out[WINO_PLACES], const conv_weights_part *t, const float *w, vi index) {
    vf row[4][3]; /* of G w */
    for (int s = 0; s < 3; s++) {
        vf g[3], column[4];
        for (int r = 0; r < 3; r++) {
            int tap = r * 3 + s;
            g[r] = wino_gather(w + (t->gradient ? 8 - tap : tap), index);
            if (t->bf16)
                g[r] = widen_bf16(round_bf16(g[r]));
        }
        wino_factors(column, g);
        for (int i = 0; i < 4; i++)
            row[i][s] = column[i];
    }
    for (int i = 0; i < 4; i++)
        wino_factors(out + 4 * i, row[i]);
}

/** v: (panel, position, word, WINO_WIDE). */
static void wino_weights(const conv_weights_part *t) {
    size_t in_step = t->gradient ? (size_t)t->out_c * 9 : 9, out_step = t->gradient ? 9 : (size_t)t->in_c * 9;
    size_t words = wino_words(t->in_c, t->bf16);
    vi index = {0};
    for (int i = 0; i < LANES; i++)
        index[i] = i * (int)out_step;
    for (size_t panel = t->begin; panel < t->end; panel++)
        for (size_t word = 0; word < words; word++)
            for (int half = 0; half < 2; half++) {
                size_t channel = panel * WINO_WIDE + (size_t)half * LANES;
                const float *w = t->w + channel * out_step + word * (t->bf16 ? 2 : 1) * in_step;
                uint32_t *out = (uint32_t *)t->v + (panel * WINO_PLACES * words + word) * WINO_WIDE + half * LANES;
                vf a[WINO_PLACES], b[WINO_PLACES];
                wino_weight(a, t, w, index);
                wino_weight(b, t, t->bf16 ? w + in_step : w, index);
                for (size_t i = 0; i < WINO_PLACES; i++) {
                    vu v = t->bf16 ? wino_pair(a[i], b[i]) : (vu)a[i];
                    memcpy(out + i * words * WINO_WIDE, &v, sizeof v);
                }
            }
}

/** u: (position, tile, c). */
INLINE void wino_input(void *u, const conv_part *t, size_t begin, size_t end, bool bf16) {
    const tensor_shape *x = &t->shape->x;
    size_t plane = wino_plane(x->c, bf16) * (bf16 ? 2 : 1), at = 0;
    for (size_t tile = begin; tile < end;) {
        wino_run r = wino_run_of(t->shape, tile, end);
        wino_lines l = wino_lines_of(t->x, x, r.image, r.row, bf16);
        for (int c = 0; c < x->c; c += LANES) {
            vf d[4][4]; /* column, row */
            wino_column(d[0], &l, x, 2 * r.column - 1, c, bf16);
            wino_column(d[1], &l, x, 2 * r.column, c, bf16);
            for (int i = 0; i < r.length; i++) {
                int column = 2 * (r.column + i) + 1;
                size_t out = (at + (size_t)i) * (size_t)x->c + (size_t)c;
                wino_column(d[2], &l, x, column, c, bf16);
                wino_column(d[3], &l, x, column + 1, c, bf16);
#pragma GCC unroll 4
                for (int j = 0; j < 4; j++) {
                    vf row[4];
                    wino_row(row, d, j);
                    for (int k = 0; k < 4; k++)
                        store_x(u, (size_t)(4 * j + k) * plane + out, row[k], LANES, bf16);
                }
                wino_advance(d);
            }
        }
        at += (size_t)r.length;
        tile += (size_t)r.length;
    }
}

/** A^T m A of one tile: LANES channels of its 2x2 outputs, in row-major order. */
INLINE void wino_back(vf y[4], const float *m) {
    vf s[2][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        vf d[4];
        for (int i = 0; i < 4; i++)
            memcpy(&d[i], m + (size_t)(4 * i + j) * WINO_M_PLANE, sizeof d[i]);
        s[0][j] = d[0] + d[1] + d[2];
        s[1][j] = d[1] - d[2] - d[3];
    }
    for (int i = 0; i < 2; i++) {
        y[2 * i] = s[i][0] + s[i][1] + s[i][2];
        y[2 * i + 1] = s[i][1] - s[i][2] - s[i][3];
    }
}

/** Transforms back channels [k, k + WINO_WIDE) of the tiles and stores them in y. */
INLINE void wino_output(const conv_part *t, const float *m, size_t begin, size_t end, size_t k, bool bf16) {
    const tensor_shape *y = &t->shape->y;
    size_t channels = (size_t)y->c, line = (size_t)y->w * channels;
    for (size_t tile = begin; tile < end;) {
        wino_run r = wino_run_of(t->shape, tile, end);
        bool below = 2 * r.row + 1 < y->h;
        size_t at = (r.image * (size_t)y->h + 2 * (size_t)r.row) * line + 2 * (size_t)r.column * channels + k;
        for (int i = 0; i < r.length; i++, m += WINO_WIDE, at += 2 * channels) {
            bool beside = 2 * (r.column + i) + 1 < y->w;
            for (size_t j = 0; j < WINO_WIDE; j += LANES) {
                vf out[4];
                wino_back(out, m + j);
                store_x(t->y, at + j, out[0], LANES, bf16);
                if (beside)
                    store_x(t->y, at + channels + j, out[1], LANES, bf16);
                if (below)
                    store_x(t->y, at + line + j, out[2], LANES, bf16);
                if (below && beside)
                    store_x(t->y, at + line + channels + j, out[3], LANES, bf16);
            }
        }
        tile += (size_t)r.length;
    }
}

INLINE void wino_blocks(const conv_part *t, void *workspace, bool bf16) {
    const conv_shape *s = t->shape;
    size_t words = wino_words(s->x.c, bf16), u_plane = wino_plane(s->x.c, bf16);
    uint32_t *u = workspace;
    float *m = (float *)(u + WINO_PLACES * u_plane);
    for (size_t begin = t->begin; begin < t->end; begin += WINO_BLOCK) {
        size_t end = begin + WINO_BLOCK < t->end ? begin + WINO_BLOCK : t->end;
        const uint32_t *v = t->v;
        wino_input(u, t, begin, end, bf16);
        for (size_t k = 0; k < (size_t)s->y.c; k += WINO_WIDE) {
            for (size_t i = 0; i < WINO_PLACES; i++, v += words * WINO_WIDE)
                for (size_t row = 0; row < end - begin; row += WINO_ROWS)
                    wino_product(m + i * WINO_M_PLANE + row * WINO_WIDE, WINO_WIDE, u + i * u_plane + row * words,
                                 (wino_steps){words, 1}, v, words, bf16, false);
            wino_output(t, m, begin, end, k, bf16);
        }
    }
}

static __attribute__((noinline)) void wino_blocks_f32(const conv_part *t, void *workspace) {
    wino_blocks(t, workspace, false);
}

static void wino_run_part(const conv_part *t, void *workspace) {
#ifdef __AVX512BF16__
    if (t->bf16) {
        wino_blocks(t, workspace, true);
        return;
    }
#endif
    wino_blocks_f32(t, workspace);
}

const conv_kernels SIMD_NAME(winograd_2d) = {
    .panel = WINO_WIDE,
    .group = WINO_GROUP,
    .parts = wino_tiles,
    .run = wino_run_part,
    .workspace = wino_workspace,
    .weights = wino_weights,
    .weights_bytes = wino_weights_bytes,
    .wgrad = SIMD_NAME(wgrad_winograd),
    .wgrad_workspace = SIMD_NAME(wgrad_winograd_workspace),
    .wgrad_inverse = SIMD_NAME(wgrad_winograd_inverse),
};
