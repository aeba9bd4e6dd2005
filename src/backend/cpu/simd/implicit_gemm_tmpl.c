/* A convolution in fp32, and its dgrad, as matrix products: y (pixels, k) = sum over taps of x (pixels of the tap, c)
 * w^T. A tile of y of IGEMM_ROWS pixels and two vectors of channels stays in registers for a block of x's channels of
 * one tap. This block of a panel of the weights stays in the first-level cache, and a block of x in the second-level
 * cache for all panels. Rows of x are read in place, by pointers; padding is a row of zeros. Each element of y is one
 * chain of multiply-adds in the order of taps and channels: it does not depend on the tile, the batch or the threads.
 *
 * Pixels are computed in classes that have the same taps. dgrad with a stride has stride x stride classes. In small
 * maps each position is a class, so that taps in the padding cost nothing. */
#include "backend/cpu/simd/vector_tmpl.h"

enum {
    IGEMM_ROWS = 6, /* 12 of AVX2's 16 registers are sums */
    IGEMM_WIDE = 2 * LANES,
    IGEMM_BLOCK_C = 4096 / IGEMM_WIDE, /* channels: 16 KiB of a panel */
    IGEMM_BLOCK_ROWS = 126,
    IGEMM_ALIAS = 1024, /* floats: rows at this distance fall into one set of the first-level cache */
    IGEMM_LINE = 64 / sizeof(float),
    IGEMM_TAPS = 9,
    IGEMM_SMALL = 16 /* pixels of a map */
};

/** Pixels of y that have the same taps. Pixel (i, j) is (i * y_step + y_h, j * y_step + y_w) of y; tap t reads x at
 *  (i * x_step + h[t], j * x_step + w[t]) with the weights number[t]. */
typedef struct igemm_class {
    int rows, columns; /* per image */
    int y_step, y_h, y_w, x_step;
    int taps, h[IGEMM_TAPS], w[IGEMM_TAPS], number[IGEMM_TAPS];
} igemm_class;

static igemm_class forward_class(const conv_shape *s) {
    igemm_class g = {.rows = s->y.h, .columns = s->y.w, .y_step = 1, .x_step = s->stride};
    for (int i = 0; i < s->kernel * s->kernel; i++, g.taps++) {
        g.h[i] = i / s->kernel - s->pad;
        g.w[i] = i % s->kernel - s->pad;
        g.number[i] = i;
    }
    return g;
}

/** Class `number` of dx: y is dx, x is dy. */
static igemm_class dgrad_class(const conv_shape *s, int number) {
    igemm_class g = {.y_step = s->stride, .y_h = number / s->stride, .y_w = number % s->stride, .x_step = 1};
    g.rows = (s->y.h - g.y_h + s->stride - 1) / s->stride;
    g.columns = (s->y.w - g.y_w + s->stride - 1) / s->stride;
    for (int i = 0; i < s->kernel * s->kernel; i++) {
        int h = g.y_h + s->pad - i / s->kernel, w = g.y_w + s->pad - i % s->kernel;
        if (h % s->stride != 0 || w % s->stride != 0)
            continue;
        g.h[g.taps] = h / s->stride;
        g.w[g.taps] = w / s->stride;
        g.number[g.taps++] = i;
    }
    return g;
}

INLINE bool igemm_small(const conv_shape *s) { return s->kernel > 1 && s->y.h * s->y.w <= IGEMM_SMALL; }

/** The position `number` of y, with the taps that are inside x. */
static igemm_class position_class(const conv_shape *s, bool gradient, int number) {
    igemm_class g = {.rows = 1, .columns = 1, .y_step = 1, .y_h = number / s->y.w, .y_w = number % s->y.w};
    for (int i = 0; i < s->kernel * s->kernel; i++) {
        int r = i / s->kernel - s->pad, q = i % s->kernel - s->pad, step = gradient ? s->stride : 1;
        int h = gradient ? g.y_h - r : g.y_h * s->stride + r, w = gradient ? g.y_w - q : g.y_w * s->stride + q;
        if (h % step != 0 || w % step != 0 || h < 0 || w < 0 || h / step >= s->x.h || w / step >= s->x.w)
            continue;
        g.h[g.taps] = h / step;
        g.w[g.taps] = w / step;
        g.number[g.taps++] = i;
    }
    return g;
}

static int igemm_classes(const conv_shape *s, bool gradient) {
    if (igemm_small(s))
        return s->y.h * s->y.w;
    return gradient ? s->stride * s->stride : 1;
}

static igemm_class igemm_class_at(const conv_shape *s, bool gradient, int number) {
    if (igemm_small(s))
        return position_class(s, gradient, number);
    return gradient ? dgrad_class(s, number) : forward_class(s);
}

static size_t igemm_pixels(const conv_shape *s) { return (size_t)s->y.n * (size_t)s->y.h * (size_t)s->y.w; }

static size_t igemm_weights_bytes(const conv_shape *s, bool bf16) {
    (void)bf16;
    return (size_t)s->kernel * (size_t)s->kernel * (size_t)s->x.c * (size_t)s->y.c * sizeof(float);
}

/** Whether rows of x that follow each other in a tile fall into one cache set: they are then copied. */
INLINE bool igemm_aliases(const conv_shape *s) { return s->stride * s->x.c % IGEMM_ALIAS == 0; }

static size_t igemm_workspace(const conv_shape *s, bool bf16) {
    (void)bf16;
    return igemm_aliases(s) ? (size_t)IGEMM_BLOCK_ROWS * (IGEMM_BLOCK_C + IGEMM_LINE) * sizeof(float) : 0;
}

/** LANES rows of `in`, in_step apart, become columns: out row i is `to[i]`. */
INLINE void igemm_transpose(float *const *to, const float *in, size_t in_step) {
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(in + (size_t)i * in_step);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
            r[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to[i], _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(to[i + 4], _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

/** One panel, v: (tap, in_c, IGEMM_WIDE), of w (IGEMM_WIDE rows of in_c * taps). */
static void igemm_forward_panel(float *v, const float *w, size_t in_c, size_t taps) {
    for (size_t line = 0; line < in_c * taps; line += IGEMM_LINE)
        for (size_t half = 0; half < IGEMM_WIDE; half += LANES)
            for (size_t q = line; q < line + IGEMM_LINE; q += LANES) {
                float *to[LANES];
                for (size_t i = 0; i < LANES; i++)
                    to[i] = v + ((q + i) % taps * in_c + (q + i) / taps) * IGEMM_WIDE + half;
                igemm_transpose(to, w + half * in_c * taps + q, in_c * taps);
            }
}

/** The same of w (in_c rows of out_c * taps, from the panel's first channel). */
INLINE void igemm_dgrad_panel(float *v, const float *w, size_t in_c, size_t out_c, size_t taps) {
    for (size_t i = 0; i < in_c; i++, w += out_c * taps)
        for (size_t tap = 0; tap < taps; tap++)
            for (size_t j = 0; j < IGEMM_WIDE; j++)
                v[(tap * in_c + i) * IGEMM_WIDE + j] = w[j * taps + tap];
}

/** v: (panel, tap, in_c, IGEMM_WIDE). */
static void igemm_weights(const conv_weights_part *t) {
    size_t in_c = (size_t)t->in_c, out_c = (size_t)t->out_c, taps = (size_t)t->kernel * (size_t)t->kernel;
    for (size_t panel = t->begin; panel < t->end; panel++) {
        float *v = (float *)t->v + panel * taps * in_c * IGEMM_WIDE;
        const float *w = t->w + panel * IGEMM_WIDE * taps * (t->gradient ? 1 : in_c);
        if (!t->gradient)
            igemm_forward_panel(v, w, in_c, taps);
        else if (taps == 1)
            igemm_dgrad_panel(v, w, in_c, out_c, 1);
        else
            igemm_dgrad_panel(v, w, in_c, out_c, taps);
    }
}

/** y (rows, IGEMM_WIDE) = or += (add) x (rows) v over c channels, c % IGEMM_LINE == 0. y, x: the address of each row; x
 * also of the next tile's. offset: of the panel in a row of y. */
INLINE void igemm_tile(float *const *y, size_t offset, const float *const *x, const float *v, size_t c, bool add,
                       bool stream, int rows) {
    vf sum[IGEMM_ROWS][2];
    const float *in[IGEMM_ROWS];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        in[i] = x[i];
        sum[i][0] = add ? load_f32(y[i] + offset, LANES) : (vf){0};
        sum[i][1] = add ? load_f32(y[i] + offset + LANES, LANES) : (vf){0};
    }
    for (size_t line = 0; line < c; line += IGEMM_LINE) {
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++)
            __builtin_prefetch(x[i + IGEMM_ROWS] + line);
        for (size_t j = line; j < line + IGEMM_LINE; j++, v += IGEMM_WIDE) {
            vf v0 = load_f32(v, LANES), v1 = load_f32(v + LANES, LANES);
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) {
                vf one = splat(in[i][j]);
                sum[i][0] += one * v0;
                sum[i][1] += one * v1;
            }
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        store_out(y[i], offset, sum[i][0], LANES, false, stream);
        store_out(y[i], offset + LANES, sum[i][1], LANES, false, stream);
    }
}

typedef void igemm_tile_function(float *const *y, size_t offset, const float *const *x, const float *v, size_t c,
                                 bool add, bool stream);

#define IGEMM_TILE(name, rows)                                                                                         \
    static __attribute__((noinline)) void name(float *const *y, size_t offset, const float *const *x, const float *v,  \
                                               size_t c, bool add, bool stream) {                                      \
        igemm_tile(y, offset, x, v, c, add, stream, rows);                                                             \
    }
IGEMM_TILE(igemm_tile_6, IGEMM_ROWS)
IGEMM_TILE(igemm_tile_4, 4)
IGEMM_TILE(igemm_tile_3, 3)
IGEMM_TILE(igemm_tile_1, 1)

/** Rows of the next tile. Tiles of fewer than 4 rows wait for the latency of their sums. */
INLINE size_t igemm_next(size_t rows) {
    static const unsigned char next[2 * IGEMM_ROWS] = {0, 1, 1, 3, 4, 3, 6, 4, 4, 6, 6, 4};
    return rows < 2 * IGEMM_ROWS ? next[rows] : IGEMM_ROWS;
}

/** Pixels of one class, one after the other. */
typedef struct igemm_block {
    size_t rows;
    float *y[IGEMM_BLOCK_ROWS];
    const float *image[IGEMM_BLOCK_ROWS]; /* of x */
    int h[IGEMM_BLOCK_ROWS], w[IGEMM_BLOCK_ROWS];
    const float *x[IGEMM_BLOCK_ROWS + IGEMM_ROWS]; /* of one tap and block of channels */
} igemm_block;

/** Addresses of the pixels from `first` on. */
static void block_begin(igemm_block *b, const conv_part *t, const igemm_class *g, size_t first) {
    const conv_shape *s = t->shape;
    size_t per_image = (size_t)g->rows * (size_t)g->columns;
    int image = (int)(first / per_image), i = (int)(first % per_image) / g->columns;
    int j = (int)(first % per_image) % g->columns;
    for (size_t row = 0; row < b->rows; row++) {
        size_t pixel = ((size_t)image * (size_t)s->y.h + (size_t)(i * g->y_step + g->y_h)) * (size_t)s->y.w;
        b->y[row] = (float *)t->y + (pixel + (size_t)(j * g->y_step + g->y_w)) * (size_t)s->y.c;
        b->image[row] = (const float *)t->x + (size_t)image * (size_t)s->x.h * (size_t)s->x.w * (size_t)s->x.c;
        b->h[row] = i * g->x_step;
        b->w[row] = j * g->x_step;
        if (++j < g->columns)
            continue;
        j = 0;
        if (++i < g->rows)
            continue;
        i = 0;
        image++;
    }
}

/** Sets the addresses of x for channels [begin, begin + c) of a tap. moved (or NULL): copies the rows there. */
static void block_rows(igemm_block *b, const conv_shape *s, int h, int w, size_t begin, size_t c, float *moved) {
    static const float zeros[IGEMM_BLOCK_C];
    for (size_t row = 0; row < b->rows; row++) {
        int at_h = b->h[row] + h, at_w = b->w[row] + w;
        bool inside = at_h >= 0 && at_h < s->x.h && at_w >= 0 && at_w < s->x.w;
        const float *x = inside ? b->image[row] + (size_t)(at_h * s->x.w + at_w) * (size_t)s->x.c + begin : zeros;
        if (moved != NULL)
            x = memcpy(moved + row * (c + IGEMM_LINE), x, c * sizeof *x);
        b->x[row] = x;
    }
    for (int i = 0; i < IGEMM_ROWS; i++)
        b->x[b->rows + (size_t)i] = zeros;
}

/** v: of the first panel; panels are v_step apart. */
static void block_products(const igemm_block *b, const float *v, size_t v_step, size_t c, size_t k, bool add,
                           bool stream) {
    for (size_t i = 0; i < k; i += IGEMM_WIDE, v += v_step)
        for (size_t row = 0, n; row < b->rows; row += n) {
            n = igemm_next(b->rows - row);
            igemm_tile_function *tile = n == 6   ? igemm_tile_6
                                        : n == 4 ? igemm_tile_4
                                        : n == 3 ? igemm_tile_3
                                                 : igemm_tile_1;
            tile(b->y + row, i, b->x + row, v, c, add, stream);
        }
}

static void block_run(igemm_block *b, const conv_part *t, const igemm_class *g, float *workspace) {
    size_t c = (size_t)t->shape->x.c, k = (size_t)t->shape->y.c;
    size_t v_step = (size_t)t->shape->kernel * (size_t)t->shape->kernel * c * IGEMM_WIDE;
    float *moved = igemm_aliases(t->shape) ? workspace : NULL;
    for (int tap = 0; tap < g->taps; tap++)
        for (size_t i = 0; i < c; i += IGEMM_BLOCK_C) {
            size_t n = c - i < IGEMM_BLOCK_C ? c - i : IGEMM_BLOCK_C;
            const float *v = (const float *)t->v + ((size_t)g->number[tap] * c + i) * IGEMM_WIDE;
            block_rows(b, t->shape, g->h[tap], g->w[tap], i, n, moved);
            block_products(b, v, v_step, n, k, tap > 0 || i > 0, t->stream && g->taps == 1 && n == c);
        }
    for (size_t row = 0; g->taps == 0 && row < b->rows; row++)
        memset(b->y[row], 0, k * sizeof(float));
}

/** Parts are pixels of y. A range of parts is the same share of each class, as classes have different numbers of taps.
 */
static void igemm_run(const conv_part *t, void *workspace) {
    igemm_block b;
    size_t all = igemm_pixels(t->shape);
    int classes = igemm_classes(t->shape, t->gradient);
    for (int i = 0; i < classes; i++) {
        igemm_class g = igemm_class_at(t->shape, t->gradient, i);
        size_t pixels = (size_t)t->shape->y.n * (size_t)g.rows * (size_t)g.columns;
        size_t end = pixels * t->end / all;
        for (size_t at = pixels * t->begin / all; at < end; at += b.rows) {
            b.rows = end - at < IGEMM_BLOCK_ROWS ? end - at : IGEMM_BLOCK_ROWS;
            block_begin(&b, t, &g, at);
            block_run(&b, t, &g, workspace);
        }
    }
    finish_streams(t->stream);
}

const conv_kernels SIMD_NAME(implicit_gemm) = {
    .panel = IGEMM_WIDE,
    .group = IGEMM_ROWS,
    .parts = igemm_pixels,
    .run = igemm_run,
    .workspace = igemm_workspace,
    .weights = igemm_weights,
    .weights_bytes = igemm_weights_bytes,
};
