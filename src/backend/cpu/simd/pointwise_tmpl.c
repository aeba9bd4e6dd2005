/* A 1x1 convolution of stride 1 in bf16, and its dgrad: y (rows, k) = x (rows, c) w^T. x is not packed: two adjacent
 * channels are one word. A tile of 14 rows and 32 channels of y stays in registers. 32 channels of a row are one cache
 * line, which may be written with a non-temporal store. */
#include "backend/cpu/simd/tile_tmpl.h"
#include "backend/cpu/simd/winograd_tmpl.h"

enum {
    POINT_ROWS = ROW_TILE,
    POINT_WIDE = 2 * LANES,
    POINT_BLOCK_BYTES = 1 << 18, /* size of a block of x, which stays in the L2 cache for all channels of y */
    POINT_ALIAS_WORDS = 1024     /* rows with this distance map to the same cache set */
};

static size_t point_rows(const conv_shape *s) { return (size_t)s->y.n * (size_t)s->y.h * (size_t)s->y.w; }

static size_t point_weights_bytes(const conv_shape *s, bool bf16) {
    (void)bf16;
    return (size_t)s->x.c * (size_t)s->y.c * sizeof(uint16_t);
}

/** Row stride of x in words, as the GEMM reads it. */
INLINE size_t point_step(size_t words) { return words % POINT_ALIAS_WORDS == 0 ? words + 16 : words; }

INLINE size_t point_block(size_t words) {
    size_t rows = POINT_BLOCK_BYTES / (words * sizeof(uint32_t)) / POINT_ROWS * POINT_ROWS;
    return rows > 0 ? rows : POINT_ROWS;
}

/** Workspace for a block whose row stride must be increased. */
static size_t point_workspace(const conv_shape *s, bool bf16) {
    (void)bf16;
    size_t words = (size_t)s->x.c / 2, step = point_step(words);
    return step > words ? point_block(words) * step * sizeof(uint32_t) : 0;
}

/** v: (panel, word, POINT_WIDE). */
static void point_weights(const conv_weights_part *t) {
    size_t in_step = t->gradient ? (size_t)t->out_c : 1, out_step = t->gradient ? 1 : (size_t)t->in_c;
    size_t words = (size_t)t->in_c / 2;
    uint32_t *v = (uint32_t *)t->v + t->begin * words * POINT_WIDE;
    vi index = {0};
    for (int i = 0; i < LANES; i++)
        index[i] = i * (int)out_step;
    for (size_t panel = t->begin; panel < t->end; panel++)
        for (size_t word = 0; word < words; word++)
            for (size_t half = 0; half < 2; half++, v += LANES) {
                const float *w = t->w + (panel * POINT_WIDE + half * LANES) * out_step + word * 2 * in_step;
                vu pair = t->gradient ? wino_pair(load_f32(w, LANES), load_f32(w + in_step, LANES))
                                      : wino_pair(wino_gather(w, index), wino_gather(w + in_step, index));
                memcpy(v, &pair, sizeof pair);
            }
}

INLINE void point_store(uint16_t *y, __m512 low, __m512 high, bool stream) {
    __m512i line = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    if (stream)
        _mm512_stream_si512((__m512i *)(void *)y, line);
    else
        _mm512_storeu_si512(y, line);
}

/** y (rows, POINT_WIDE; row stride y_step) = x (row stride x_step words) v over `words`. */
INLINE void point_product(uint16_t *y, size_t y_step, const uint32_t *x, size_t x_step, const uint32_t *v, size_t words,
                          bool stream, int rows) {
    __m512 sum[POINT_ROWS][2];
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (size_t line = 0; line < words; line += 16) {
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++)
            __builtin_prefetch(x + (size_t)i * x_step + line + 16);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) /* prefetch the next rows, which may not be cached */
            __builtin_prefetch(x + (size_t)(i + POINT_ROWS) * x_step + line, 0, 2);
        add_row_products(sum, x + line, x_step, v + line * POINT_WIDE, 16, rows);
    }
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
        point_store(y + (size_t)i * y_step, sum[i][0], sum[i][1], stream);
}

#define POINT_PRODUCT(rows)                                                                                            \
    static __attribute__((noinline)) void point_product_##rows(                                                        \
        uint16_t *y, size_t y_step, const uint32_t *x, size_t x_step, const uint32_t *v, size_t words, bool stream) {  \
        point_product(y, y_step, x, x_step, v, words, stream, rows);                                                   \
    }
POINT_PRODUCT(1)
POINT_PRODUCT(7)
POINT_PRODUCT(14)

/** Computes `rows` rows of y. */
static void point_block_run(uint16_t *y, const uint32_t *x, size_t x_step, size_t rows, const conv_part *t) {
    size_t k = (size_t)t->shape->y.c, words = (size_t)t->shape->x.c / 2;
    const uint32_t *v = t->v;
    for (size_t i = 0; i < k; i += POINT_WIDE, v += words * POINT_WIDE) {
        size_t row = 0;
        for (; row + POINT_ROWS <= rows; row += POINT_ROWS)
            point_product_14(y + row * k + i, k, x + row * x_step, x_step, v, words, t->stream);
        for (; row + POINT_ROWS / 2 <= rows; row += POINT_ROWS / 2)
            point_product_7(y + row * k + i, k, x + row * x_step, x_step, v, words, t->stream);
        for (; row < rows; row++)
            point_product_1(y + row * k + i, k, x + row * x_step, x_step, v, words, t->stream);
    }
}

static void point_run(const conv_part *t, void *workspace) {
    size_t words = (size_t)t->shape->x.c / 2, step = point_step(words), block = point_block(words);
    for (size_t begin = t->begin; begin < t->end; begin += block) {
        size_t rows = t->end - begin < block ? t->end - begin : block;
        const uint32_t *x = (const uint32_t *)t->x + begin * words;
        if (step > words) {
            for (size_t i = 0; i < rows; i++)
                memcpy((uint32_t *)workspace + i * step, x + i * words, words * sizeof *x);
            x = workspace;
        }
        point_block_run((uint16_t *)t->y + begin * (size_t)t->shape->y.c, x, step, rows, t);
    }
    finish_streams(t->stream);
}

const conv_kernels SIMD_NAME(pointwise) = {
    .panel = POINT_WIDE,
    .group = POINT_ROWS,
    .parts = point_rows,
    .run = point_run,
    .workspace = point_workspace,
    .weights = point_weights,
    .weights_bytes = point_weights_bytes,
};
