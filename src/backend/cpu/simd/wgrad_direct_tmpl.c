/* wgrad of a convolution larger than 1x1: for each kernel position (tap), a GEMM of dy with x shifted by the tap. A
 * pair consists of the same pixel of two images, so shifting does not split pairs. A block is some rows of y of one
 * pair of images, or all rows of several pairs. The rows of x are packed once for all taps, with zero padding. With a
 * stride, the columns that one tap reads are packed contiguously. */
#include "backend/cpu/simd/tile_tmpl.h"

enum { DIRECT_PAIRS = 392 }; /* about, per block: many, because each block reads and writes all of dw */

/** The block sizes and the packed layout. */
typedef struct direct_block {
    int groups, rows;         /* pairs of images; rows of y */
    int x_rows, slots, half;  /* packed rows of x per group; columns of each row, in `stride` parts of `half` */
    size_t x_panel, dy_panel; /* words per panel */
} direct_block;

static direct_block direct_block_of(const conv_shape *s) {
    int rows = DIRECT_PAIRS / s->y.w, groups = DIRECT_PAIRS / (s->y.h * s->y.w);
    direct_block b = {.groups = groups > 1 ? smaller(groups, (s->x.n + 1) / 2) : 1,
                      .rows = rows > 1 ? smaller(rows, s->y.h) : 1};
    b.x_rows = (b.rows - 1) * s->stride + s->kernel;
    b.half = s->y.w + (s->kernel - 1) / s->stride;
    b.slots = b.half * s->stride;
    b.x_panel = panel_words((size_t)b.groups * (size_t)b.x_rows * (size_t)b.slots, TILE_C);
    b.dy_panel = panel_words((size_t)b.groups * (size_t)b.rows * (size_t)s->y.w, TILE_K);
    return b;
}

static size_t direct_dw_words(const conv_shape *s, int k) {
    return (size_t)s->kernel * (size_t)s->kernel * panels_of(k, TILE_K) * TILE_K * panels_of(s->x.c, TILE_C) * TILE_C;
}

static size_t direct_dy_words(const direct_block *b, int k) {
    return panels_of(k, TILE_C) * (TILE_C / TILE_K) * b->dy_panel;
}

size_t SIMD_NAME(wgrad_direct_workspace)(const conv_shape *s, int k) {
    direct_block b = direct_block_of(s);
    size_t words = direct_dw_words(s, k) + direct_dy_words(&b, k) + panels_of(s->x.c, TILE_C) * b.x_panel;
    return words * sizeof(uint32_t);
}

/** Packs row `h` of x of images n and n + 1, or of n alone if it is the last; zeros if h is outside. */
INLINE void pack_x_row(uint32_t *out, const wgrad_direct_part *t, const direct_block *b, int n, int h) {
    const conv_shape *s = t->shape;
    size_t c = (size_t)s->x.c, image = (size_t)s->x.h * (size_t)s->x.w * c;
    bool inside = h >= 0 && h < s->x.h;
    const uint16_t *row = inside ? t->x + (size_t)n * image + (size_t)h * (size_t)s->x.w * c : NULL;
    for (int i = 0; i < b->slots; i++) {
        int w = i - s->pad;
        uint32_t *to = out + (size_t)(i % s->stride * b->half + i / s->stride) * TILE_C;
        if (inside && w >= 0 && w < s->x.w) {
            const uint16_t *pixel = row + (size_t)w * c;
            pack_pair(to, b->x_panel, pixel, n + 1 < s->x.n ? pixel + image : NULL, s->x.c, true);
        } else {
            for (size_t p = 0; p < panels_of(s->x.c, TILE_C); p++)
                memset(to + p * b->x_panel, 0, TILE_C * sizeof *to);
        }
    }
}

/** Packs row `h` of dy of images n and n + 1, or of n alone if it is the last. */
INLINE void pack_dy_row(uint32_t *out, const wgrad_direct_part *t, const direct_block *b, int n, int h) {
    const conv_shape *s = t->shape;
    size_t c = (size_t)s->y.c, image = (size_t)s->y.h * (size_t)s->y.w * c;
    const uint16_t *row = t->dy + (size_t)n * image + (size_t)h * (size_t)s->y.w * c;
    for (int w = 0; w < s->y.w; w++, row += c)
        pack_pair(out + (size_t)w * TILE_K, b->dy_panel, row, n + 1 < s->y.n ? row + image : NULL, t->k, false);
}

/** Packs a block: images from `n`, rows of y from `row`. */
static void pack_block(uint32_t *x, uint32_t *dy, const wgrad_direct_part *t, const direct_block *b, int n, int row) {
    const conv_shape *s = t->shape;
    size_t slots = (size_t)b->slots, width = (size_t)s->y.w;
    int x_rows = (b->rows - 1) * s->stride + s->kernel;
    for (int g = 0; g < b->groups; g++) {
        for (int r = 0; r < x_rows; r++)
            pack_x_row(x + ((size_t)g * (size_t)b->x_rows + (size_t)r) * slots * TILE_C, t, b, n + 2 * g,
                       row * s->stride + r - s->pad);
        for (int r = 0; r < b->rows; r++)
            pack_dy_row(dy + ((size_t)g * (size_t)b->rows + (size_t)r) * width * TILE_K, t, b, n + 2 * g, row + r);
    }
}

static __attribute__((noinline)) void direct_tile(float *out, size_t stride, const uint32_t *a, const uint32_t *b,
                                                  const tile_rows *rows, bool add) {
    tile(out, stride, a, b, rows, add, NULL);
}

/** Computes all taps of one block. dw (tap, k, c), padded to whole tiles. */
static void direct_of_block(float *dw, const uint32_t *x, const uint32_t *dy, const wgrad_direct_part *t,
                            const direct_block *b, bool add) {
    const conv_shape *s = t->shape;
    size_t c = panels_of(s->x.c, TILE_C) * TILE_C, k = panels_of(t->k, TILE_K) * TILE_K, slots = (size_t)b->slots;
    const tile_rows rows = {.outer = b->groups,
                            .inner = b->rows,
                            .length = s->y.w,
                            .outer_step = (size_t)b->x_rows * slots * TILE_C,
                            .inner_step = (size_t)s->stride * slots * TILE_C};
    for (size_t j = 0; j < c; j += TILE_C)
        for (size_t i = 0; i < k; i += TILE_K)
            for (int r = 0; r < s->kernel; r++)
                for (int q = 0; q < s->kernel; q++) {
                    size_t slot = (size_t)r * slots + (size_t)(q % s->stride * b->half + q / s->stride);
                    float *out = dw + ((size_t)(r * s->kernel + q) * k + i) * c + j;
                    direct_tile(out, c, dy + i / TILE_K * b->dy_panel, x + j / TILE_C * b->x_panel + slot * TILE_C,
                                &rows, add);
                }
}

/** Reorders (tap, k, c) to (k, c, tap). */
static void direct_unpack(const wgrad_direct_part *t, const float *dw) {
    size_t c = panels_of(t->shape->x.c, TILE_C) * TILE_C, tap = panels_of(t->k, TILE_K) * TILE_K * c;
    size_t taps = (size_t)t->shape->kernel * (size_t)t->shape->kernel, channels = (size_t)t->shape->x.c;
    for (size_t k = 0; k < (size_t)t->k; k++)
        for (size_t i = 0; i < channels; i++) {
            float *out = t->dw + (k * channels + i) * taps;
            const float *in = dw + k * c + i;
            for (size_t p = 0; p < taps; p++)
                out[p] = (t->add ? out[p] : 0) + in[p * tap];
        }
}

void SIMD_NAME(wgrad_direct)(const wgrad_direct_part *t, void *workspace) {
    const conv_shape *s = t->shape;
    direct_block b = direct_block_of(s);
    float *dw = workspace;
    uint32_t *dy = (uint32_t *)workspace + direct_dw_words(s, t->k), *x = dy + direct_dy_words(&b, t->k);
    bool add = false;
    for (int n = 0; n < s->x.n; n += 2 * b.groups)
        for (int row = 0; row < s->y.h; row += b.rows) {
            direct_block some = b;
            some.groups = smaller(b.groups, (s->x.n - n + 1) / 2);
            some.rows = smaller(b.rows, s->y.h - row);
            pack_block(x, dy, t, &some, n, row);
            direct_of_block(dw, x, dy, t, &some, add);
            add = true;
        }
    direct_unpack(t, dw);
}
