/* A 3x3 convolution with stride 1 and padding 1 in bf16, with 12 multiplications instead of 18: Winograd's F(2, 3)
 * along rows, and a direct sum over the three rows of the kernel. A tile is two adjacent elements in a row of y; it
 * depends on four elements in each of three rows of x:
 *
 *     y = A^T [ sum over r, c of (G w_r) * (B^T x_r) ]      (* element by element: 4 positions)
 *
 *     B^T = 1  0 -1  0      G = 1    0    0       A^T = 1  1  1  0
 *           0  1  1  0          1/2  1/2  1/2           0  1 -1 -1
 *           0 -1  1  0          1/2 -1/2  1/2
 *           0  1  0 -1          0    0    1
 *
 * Both factors are rounded once more, but they are sums of only two or three terms, where F(2x2, 3x3) has up to nine,
 * so the error is within the bound of the direct sum. (For wgrad it would not be, because its direct sum does not round
 * the factors.) A band of rows of x is transformed once for all three rows of the kernel, multiplied for a panel of y's
 * channels, and transformed back while it is in the L2 cache. */
#include "backend/cpu/simd/tile_tmpl.h"
#include "backend/cpu/simd/winograd_tmpl.h"

enum {
    LINE_PLACES = 4,
    LINE_ROWS = ROW_TILE,     /* maximum number of tiles whose sums stay in registers */
    LINE_WIDE = 2 * LANES,    /* channels of y per panel */
    LINE_BAND_BYTES = 1 << 18 /* approximate size of a transformed band of x */
};

typedef struct line_band {
    int across, lines;       /* tiles per row; maximum number of rows of y */
    size_t words;            /* per tile, two channels each */
    size_t u_place, m_place; /* words per position; padded, because positions must not share a cache set */
} line_band;

static line_band line_band_of(const conv_shape *s) {
    line_band b = {.across = (s->y.w + 1) / 2, .words = (size_t)s->x.c / 2};
    size_t line = (size_t)b.across * b.words * sizeof(uint32_t) * LINE_PLACES;
    int fit = (int)(LINE_BAND_BYTES / line) - 2, bands;
    fit = fit < 1 ? 1 : fit;
    bands = (s->y.h + fit - 1) / fit;
    b.lines = (s->y.h + bands - 1) / bands;
    size_t tiles = (size_t)b.lines * (size_t)b.across;
    b.u_place = (tiles + 2 * (size_t)b.across + LINE_ROWS) * b.words + 16;
    b.m_place = (tiles + LINE_ROWS) * LINE_WIDE + 16;
    return b;
}

static size_t line_bands(const conv_shape *s) {
    line_band b = line_band_of(s);
    return (size_t)s->y.n * (size_t)((s->y.h + b.lines - 1) / b.lines);
}

static size_t line_workspace(const conv_shape *s, bool bf16) {
    (void)bf16;
    line_band b = line_band_of(s);
    return LINE_PLACES * (b.u_place + b.m_place) * sizeof(uint32_t);
}

static size_t line_weights_bytes(const conv_shape *s, bool bf16) {
    (void)bf16;
    return (size_t)3 * LINE_PLACES * (size_t)s->x.c / 2 * (size_t)s->y.c * sizeof(uint32_t);
}

/** G w of kernel row `r` for LANES channels of y; w as in wino_weight. */
INLINE void line_weight(vf out[LINE_PLACES], const conv_weights_part *t, const float *w, vi index, int r) {
    vf g[3];
    for (int s = 0; s < 3; s++) {
        int tap = r * 3 + s;
        g[s] = widen_bf16(round_bf16(wino_gather(w + (t->gradient ? 8 - tap : tap), index)));
    }
    wino_factors(out, g);
}

/** v: (panel, position, kernel row, word, LINE_WIDE). */
static void line_weights(const conv_weights_part *t) {
    size_t in_step = t->gradient ? (size_t)t->out_c * 9 : 9, out_step = t->gradient ? 9 : (size_t)t->in_c * 9;
    size_t words = (size_t)t->in_c / 2;
    vi index = {0};
    for (int i = 0; i < LANES; i++)
        index[i] = i * (int)out_step;
    for (size_t panel = t->begin; panel < t->end; panel++)
        for (size_t word = 0; word < words; word++)
            for (int half = 0; half < 2; half++) {
                const float *w = t->w + (panel * LINE_WIDE + (size_t)half * LANES) * out_step + word * 2 * in_step;
                uint32_t *out = (uint32_t *)t->v + (panel * LINE_PLACES * 3 * words + word) * LINE_WIDE + half * LANES;
                for (size_t r = 0; r < 3; r++) {
                    vf a[LINE_PLACES], b[LINE_PLACES];
                    line_weight(a, t, w, index, (int)r);
                    line_weight(b, t, w + in_step, index, (int)r);
                    for (size_t i = 0; i < LINE_PLACES; i++) {
                        vu v = wino_pair(a[i], b[i]);
                        memcpy(out + (i * 3 + r) * words * LINE_WIDE, &v, sizeof v);
                    }
                }
            }
}

/** LANES channels of one column of a row; zeros beyond its end. */
INLINE vf line_column(const uint16_t *line, const tensor_shape *x, int column, int c) {
    if (column >= x->w)
        return (vf){0};
    return load_x(line, (size_t)column * (size_t)x->c + (size_t)c, LANES, true);
}

/** u: (position, row of x from one above the band, tile, c). */
INLINE void line_input(uint16_t *u, const conv_part *t, const line_band *b, int image, int top, int lines) {
    const tensor_shape *x = &t->shape->x;
    size_t place = 2 * b->u_place, line_words = (size_t)b->across * (size_t)x->c;
    for (int i = 0; i < lines + 2; i++, u += line_words) {
        int h = top - 1 + i;
        if (h < 0 || h >= x->h) {
            for (size_t j = 0; j < LINE_PLACES; j++)
                memset(u + j * place, 0, line_words * sizeof *u);
            continue;
        }
        const uint16_t *line = (const uint16_t *)t->x + (size_t)(image * x->h + h) * (size_t)x->w * (size_t)x->c;
        for (int c = 0; c < x->c; c += LANES) {
            vf d[4] = {{0}, line_column(line, x, 0, c)};
            uint16_t *out = u + c;
            for (int q = 0; q < b->across; q++, out += x->c) {
                d[2] = line_column(line, x, 2 * q + 1, c);
                d[3] = line_column(line, x, 2 * q + 2, c);
                store_x(out, 0, d[0] - d[2], LANES, true);
                store_x(out, place, d[1] + d[2], LANES, true);
                store_x(out, 2 * place, d[2] - d[1], LANES, true);
                store_x(out, 3 * place, d[1] - d[3], LANES, true);
                d[0] = d[2];
                d[1] = d[3];
            }
        }
    }
}

/** m (rows, LINE_WIDE) = u v over `words` of three rows; the rows of u have stride `line` words. */
INLINE void line_product(float *m, const uint32_t *u, size_t line, const uint32_t *v, size_t words, int rows) {
    __m512 sum[LINE_ROWS][2];
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (size_t r = 0; r < 3; r++)
        add_row_products(sum, u + r * line, words, v + r * words * LINE_WIDE, words, rows);
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(m + i * LINE_WIDE, sum[i][0]);
        _mm512_storeu_ps(m + i * LINE_WIDE + LANES, sum[i][1]);
    }
}

typedef void line_product_of(float *m, const uint32_t *u, size_t line, const uint32_t *v, size_t words);

#define LINE_PRODUCT(rows)                                                                                             \
    static __attribute__((noinline)) void line_product_##rows(float *m, const uint32_t *u, size_t line,                \
                                                              const uint32_t *v, size_t words) {                       \
        line_product(m, u, line, v, words, rows);                                                                      \
    }
LINE_PRODUCT(2)
LINE_PRODUCT(4)
LINE_PRODUCT(6)
LINE_PRODUCT(8)
LINE_PRODUCT(10)
LINE_PRODUCT(12)
LINE_PRODUCT(14)

static line_product_of *const line_products[] = {line_product_2,  line_product_4,  line_product_6, line_product_8,
                                                 line_product_10, line_product_12, line_product_14};

/** Transforms back channels [k, k + LINE_WIDE) of a band of y. */
INLINE void line_output(const conv_part *t, const line_band *b, const float *m, int image, int top, int lines,
                        size_t k) {
    const tensor_shape *y = &t->shape->y;
    size_t place = b->m_place;
    for (int i = 0; i < lines; i++) {
        size_t at = (size_t)(image * y->h + top + i) * (size_t)y->w * (size_t)y->c + k;
        for (int q = 0; q < b->across; q++, m += LINE_WIDE, at += 2 * (size_t)y->c)
            for (size_t j = 0; j < LINE_WIDE; j += LANES) {
                vf d[LINE_PLACES];
                for (size_t p = 0; p < LINE_PLACES; p++)
                    memcpy(&d[p], m + p * place + j, sizeof d[p]);
                store_x(t->y, at + j, d[0] + d[1] + d[2], LANES, true);
                if (2 * q + 1 < y->w)
                    store_x(t->y, at + (size_t)y->c + j, d[1] - d[2] - d[3], LANES, true);
            }
    }
}

static void line_band_run(const conv_part *t, const line_band *b, uint32_t *u, int image, int top) {
    const conv_shape *s = t->shape;
    int lines = smaller(b->lines, s->y.h - top), tiles = lines * b->across;
    int groups = (tiles + LINE_ROWS - 1) / LINE_ROWS, rows = ((tiles + groups - 1) / groups + 1) / 2 * 2;
    line_product_of *product_of = line_products[rows / 2 - 1];
    float *m = (float *)(u + LINE_PLACES * b->u_place);
    const uint32_t *v = t->v;
    line_input((uint16_t *)u, t, b, image, top, lines);
    for (size_t k = 0; k < (size_t)s->y.c; k += LINE_WIDE) {
        for (size_t i = 0; i < LINE_PLACES; i++, v += 3 * b->words * LINE_WIDE)
            for (int row = 0; row < tiles; row += rows)
                product_of(m + i * b->m_place + row * LINE_WIDE, u + i * b->u_place + (size_t)row * b->words,
                           (size_t)b->across * b->words, v, b->words);
        line_output(t, b, m, image, top, lines, k);
    }
}

static void line_run(const conv_part *t, void *workspace) {
    line_band b = line_band_of(t->shape);
    size_t each = (size_t)((t->shape->y.h + b.lines - 1) / b.lines);
    for (size_t i = t->begin; i < t->end; i++)
        line_band_run(t, &b, workspace, (int)(i / each), (int)(i % each) * b.lines);
}

const conv_kernels SIMD_NAME(winograd_1d) = {
    .panel = LINE_WIDE,
    .group = 1,
    .parts = line_bands,
    .run = line_run,
    .workspace = line_workspace,
    .weights = line_weights,
    .weights_bytes = line_weights_bytes,
};
