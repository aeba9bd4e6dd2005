/* dw = dy^T x, wgrad of a 1x1 convolution. While a block of rows is computed, the rows of the next block are prefetched
 * into the L2 cache, so the core does not stall on memory. */
#include "backend/cpu/simd/tile_tmpl.h"

enum { GEMM_PAIRS = GEMM_ROWS / 2, FETCH_BYTES = GEMM_PAIRS / 2 * LINE_BYTES /* prefetched per tile */ };

static size_t gemm_dy_words(int k) {
    return panels_of(k, TILE_C) * (TILE_C / TILE_K) * panel_words(GEMM_PAIRS, TILE_K);
}

size_t SIMD_NAME(wgrad_gemm_workspace)(int k, int c) {
    return (gemm_dy_words(k) + panels_of(c, TILE_C) * panel_words(GEMM_PAIRS, TILE_C)) * sizeof(uint32_t);
}

INLINE void pack_rows(uint32_t *out, const uint16_t *in, size_t stride, int rows, int n, bool wide) {
    int width = wide ? TILE_C : TILE_K;
    for (int i = 0; i < rows; i += 2) {
        const uint16_t *row = in + (size_t)i * stride;
        pack_pair(out + (size_t)(i / 2) * (size_t)width, panel_words(GEMM_PAIRS, width), row,
                  i + 1 < rows ? row + stride : NULL, n, wide);
    }
}

/* Two functions, so that the inner loop without prefetch contains no test for it. */
static __attribute__((noinline)) void gemm_tile_fetching(float *out, size_t stride, const uint32_t *a,
                                                         const uint32_t *b, int pairs, bool add, const char *next) {
    const tile_rows rows = {.outer = 1, .inner = 1, .length = pairs};
    tile(out, stride, a, b, &rows, add, next);
}

static __attribute__((noinline)) void gemm_tile(float *out, size_t stride, const uint32_t *a, const uint32_t *b,
                                                int pairs, bool add) {
    const tile_rows rows = {.outer = 1, .inner = 1, .length = pairs};
    tile(out, stride, a, b, &rows, add, NULL);
}

/** A tile that extends beyond dw is computed in a buffer and then copied. */
static void gemm_edge(float *out, size_t stride, int rows, int columns, const uint32_t *a, const uint32_t *b, int pairs,
                      bool add) {
    _Alignas(64) float whole[TILE_K * TILE_C];
    gemm_tile(whole, TILE_C, a, b, pairs, false);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            float *o = out + (size_t)i * stride + j;
            *o = (add ? *o : 0) + whole[i * TILE_C + j];
        }
}

/** The memory that remains to be prefetched: the next block's rows of dy, then of x. */
typedef struct gemm_fetch {
    const char *at[2], *end[2];
} gemm_fetch;

INLINE const char *next_fetch(gemm_fetch *f) {
    for (int i = 0; i < 2; i++)
        if (f->at[i] < f->end[i]) {
            f->at[i] += FETCH_BYTES;
            return f->at[i] - FETCH_BYTES;
        }
    return NULL;
}

static gemm_fetch fetch_of(const wgrad_gemm_part *t, size_t row) {
    size_t rows = t->end > row ? t->end - row : 0;
    rows = rows < GEMM_ROWS ? rows : GEMM_ROWS;
    const char *dy = (const char *)(t->dy + row * (size_t)t->dy_stride), *x = (const char *)(t->x + row * (size_t)t->c);
    size_t dy_bytes = t->k == t->dy_stride ? rows * (size_t)t->k * sizeof *t->dy : 0; /* otherwise not contiguous */
    return (gemm_fetch){{dy, x}, {dy + dy_bytes, x + rows * (size_t)t->c * sizeof *t->x}};
}

void SIMD_NAME(wgrad_gemm)(const wgrad_gemm_part *t, void *workspace) {
    size_t c = (size_t)t->c;
    uint32_t *a = workspace, *b = a + gemm_dy_words(t->k);
    for (size_t row = t->begin; row < t->end; row += GEMM_ROWS) {
        int rows = t->end - row < GEMM_ROWS ? (int)(t->end - row) : GEMM_ROWS, pairs = (rows + 1) / 2;
        bool add = t->add || row > t->begin;
        gemm_fetch ahead = fetch_of(t, row + GEMM_ROWS);
        pack_rows(a, t->dy + row * (size_t)t->dy_stride, (size_t)t->dy_stride, rows, t->k, false);
        pack_rows(b, t->x + row * c, c, rows, t->c, true);
        for (int j = 0; j < t->c; j += TILE_C)
            for (int i = 0; i < t->k; i += TILE_K) {
                float *out = t->dw + (size_t)i * c + j;
                const uint32_t *dy = a + (size_t)(i / TILE_K) * panel_words(GEMM_PAIRS, TILE_K);
                const uint32_t *x = b + (size_t)(j / TILE_C) * panel_words(GEMM_PAIRS, TILE_C);
                const char *next = next_fetch(&ahead);
                int tall = t->k - i, wide = t->c - j;
                if (tall < TILE_K || wide < TILE_C)
                    gemm_edge(out, c, tall < TILE_K ? tall : TILE_K, wide < TILE_C ? wide : TILE_C, dy, x, pairs, add);
                else if (next != NULL)
                    gemm_tile_fetching(out, c, dy, x, pairs, add, next);
                else
                    gemm_tile(out, c, dy, x, pairs, add);
            }
    }
}
