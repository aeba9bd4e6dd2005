/* A 3x3 convolution with stride 1 and padding 1 in 16 products where the plain sum has 36, F(2x2, 3x3) of Winograd
 * (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015): y is cut into tiles of 2x2, each of which
 * comes from 4x4 of x,
 *
 *     y = A^T [ sum over c of (G w G^T) * (B^T x B) ] A      (* element by element: 16 places)
 *
 *     B^T = 1  0 -1  0      G = 1    0    0       A^T = 1  1  1  0
 *           0  1  1  0          1/2  1/2  1/2           0  1 -1 -1
 *           0 -1  1  0          1/2 -1/2  1/2
 *           0  1  0 -1          0    0    1
 *
 * so that each place is a plain product of (tiles, c) with (c, k). A block of tiles is transformed, multiplied for a
 * panel of k, and transformed back while it is in the second-level cache. What the products read are words: a float,
 * or two channels in bf16. */

#if LANES == 16 || defined(__AVX2__)

enum {
    WINO_PLACES = WINOGRAD_PLACES,
    WINO_BLOCK = 32,                           /* tiles at a time */
    WINO_GROUP = 8,                            /* no last rows of a product are empty but the last thread's */
    WINO_ROWS = LANES == 16 ? 8 : 4,           /* tiles whose sums stay in registers */
    WINO_WIDE = 2 * LANES,                     /* channels of y in a panel */
    WINO_M_PLANE = WINO_BLOCK * WINO_WIDE + 16 /* floats of a place; places must not share a cache set */
};

static size_t wino_tiles(const conv_shape *s) {
    return (size_t)s->y.n * (size_t)((s->y.h + 1) / 2) * (size_t)((s->y.w + 1) / 2);
}

INLINE size_t wino_words(int c, bool bf16) { return bf16 ? (size_t)c / 2 : (size_t)c; }

/** Words of a place of the transformed block. */
INLINE size_t wino_plane(int c, bool bf16) { return WINO_BLOCK * wino_words(c, bf16) + 16; }

static size_t wino_scratch(const conv_shape *s, bool bf16) {
    return WINO_PLACES * (wino_plane(s->x.c, bf16) + WINO_M_PLANE) * sizeof(float);
}

static size_t wino_weights_bytes(const conv_shape *s, bool bf16) {
    return WINO_PLACES * wino_words(s->x.c, bf16) * (size_t)s->y.c * sizeof(float);
}

INLINE vf wino_gather(const float *p, vi index) {
#if LANES == 16
    return (vf)_mm512_i32gather_ps((__m512i)index, p, 4);
#else
    return (vf)_mm256_i32gather_ps(p, (__m256i)index, 4);
#endif
}

/** G of three. */
INLINE void wino_factors(vf out[4], const vf g[3]) {
    vf half = splat(0.5f);
    out[0] = g[0];
    out[1] = half * (g[0] + g[2] + g[1]);
    out[2] = half * (g[0] + g[2] - g[1]);
    out[3] = g[2];
}

/** G w G^T of LANES channels of y; w: where the first one's 3x3 begins, the others' by `index`. */
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

/** a in the lower halves of the words, b in the upper ones. */
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

/** v: (panel, place, word, WINO_WIDE). */
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

/** Tiles that follow each other in one row of tiles. */
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

/** The four lines of x that a row of tiles reads; a line that is not there is read as zeros. */
typedef struct wino_lines {
    const void *line[4];
    size_t inside[4]; /* all bits or none: of an offset into the line */
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

/** B^T of one column of x. */
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

/** Row `j` of (B^T x) B of four columns. */
INLINE void wino_row(vf out[4], vf d[4][4], int j) {
    out[0] = d[0][j] - d[2][j];
    out[1] = d[1][j] + d[2][j];
    out[2] = d[2][j] - d[1][j];
    out[3] = d[1][j] - d[3][j];
}

/** The next tile begins where this one's last two columns do. */
INLINE void wino_advance(vf d[4][4]) {
    for (int j = 0; j < 4; j++) {
        d[0][j] = d[2][j];
        d[1][j] = d[3][j];
    }
}

/** u: (place, tile, c). */
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

/** Where a row of the left factor begins, and its next word. */
typedef struct wino_steps {
    size_t row, word;
} wino_steps;

/** m (WINO_ROWS, WINO_WIDE; rows m_step apart) = or += (add) u v over `words`. */
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

/** A^T m A of one tile: LANES channels of its 2x2 places, row by row. */
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

/** Channels [k, k + WINO_WIDE) of the tiles' places in y. */
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

INLINE void wino_blocks(const conv_part *t, void *scratch, bool bf16) {
    const conv_shape *s = t->shape;
    size_t words = wino_words(s->x.c, bf16), u_plane = wino_plane(s->x.c, bf16);
    uint32_t *u = scratch;
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

static __attribute__((noinline)) void wino_blocks_f32(const conv_part *t, void *scratch) {
    wino_blocks(t, scratch, false);
}

static void wino_run_part(const conv_part *t, void *scratch) {
#ifdef __AVX512BF16__
    if (t->bf16) {
        wino_blocks(t, scratch, true);
        return;
    }
#endif
    wino_blocks_f32(t, scratch);
}

#endif
