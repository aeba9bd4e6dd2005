/* dw = dy^T x, the weight gradient of a 1x1 convolution, with AVX-512's bf16 products. Blocks of rows are packed so
 * that the values of two rows lie side by side, as the instruction wants its pairs: dy in panels of 8 channels, x in
 * panels of 32. A tile of 8 x 32 of dw stays in registers over a block; meanwhile the next block's rows are fetched
 * into the second-level cache, since a core that waits for them computes nothing. */

#ifdef __AVX512BF16__

enum {
    PRODUCT_PAIRS = PRODUCT_ROWS / 2,
    TILE_K = 8,
    TILE_C = 32,
    LINE_BYTES = 64,
    FETCH_BYTES = PRODUCT_PAIRS / 2 * LINE_BYTES, /* by one tile */
    /* uint32_t of a panel; one more cache line, so that panels do not all fall into the same cache set */
    PANEL_K = PRODUCT_PAIRS * TILE_K + LINE_BYTES / 4,
    PANEL_C = PRODUCT_PAIRS * TILE_C + LINE_BYTES / 4,
};

static size_t product_scratch(int k, int c) {
    size_t groups_k = ((size_t)k + TILE_C - 1) / TILE_C, groups_c = ((size_t)c + TILE_C - 1) / TILE_C;
    return (groups_k * (TILE_C / TILE_K) * PANEL_K + groups_c * PANEL_C) * sizeof(uint32_t);
}

/** Columns [0, n) of two rows, pair by pair; `odd` NULL: zeros. */
INLINE void pack_pair(uint32_t *out, const uint16_t *even, const uint16_t *odd, int n, bool wide) {
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
            uint32_t *o = out + (size_t)(k / TILE_C) * PANEL_C;
            _mm512_store_si512(o, first);
            _mm512_store_si512(o + 16, second);
        } else {
            uint32_t *o = out + (size_t)(k / TILE_K) * PANEL_K;
            _mm256_store_si256((__m256i *)o, _mm512_castsi512_si256(first));
            _mm256_store_si256((__m256i *)(o + PANEL_K), _mm512_extracti64x4_epi64(first, 1));
            _mm256_store_si256((__m256i *)(o + 2 * PANEL_K), _mm512_castsi512_si256(second));
            _mm256_store_si256((__m256i *)(o + 3 * PANEL_K), _mm512_extracti64x4_epi64(second, 1));
        }
    }
}

INLINE void pack_rows(uint32_t *out, const uint16_t *in, size_t stride, int rows, int n, bool wide) {
    int width = wide ? TILE_C : TILE_K;
    for (int i = 0; i < rows; i += 2) {
        const uint16_t *row = in + (size_t)i * stride;
        pack_pair(out + (size_t)(i / 2) * (size_t)width, row, i + 1 < rows ? row + stride : NULL, n, wide);
    }
}

/** out (8 x 32, rows `stride` apart) = or += the product of two panels; fetches FETCH_BYTES from `next` on, or NULL. */
INLINE void tile(float *out, size_t stride, const uint32_t *a, const uint32_t *b, int pairs, bool add,
                 const char *next) {
    __m512 sum[TILE_K][2];
#pragma GCC unroll 8
    for (int i = 0; i < TILE_K; i++) {
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
        _mm_prefetch((const char *)(out + (size_t)i * stride), _MM_HINT_T0);
        _mm_prefetch((const char *)(out + (size_t)i * stride + 16), _MM_HINT_T0);
    }
    for (int p = 0; p < pairs; p++) {
        __m512bh x0 = (__m512bh)_mm512_load_si512(b + p * TILE_C);
        __m512bh x1 = (__m512bh)_mm512_load_si512(b + p * TILE_C + 16);
        if (next != NULL && p % 2 == 0)
            _mm_prefetch(next + (size_t)p / 2 * LINE_BYTES, _MM_HINT_T1);
#pragma GCC unroll 8
        for (int i = 0; i < TILE_K; i++) {
            __m512bh dy = (__m512bh)_mm512_set1_epi32((int)a[p * TILE_K + i]);
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], dy, x0);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], dy, x1);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < TILE_K; i++)
        for (int j = 0; j < 2; j++) {
            float *o = out + (size_t)i * stride + 16 * j;
            _mm512_storeu_ps(o, add ? _mm512_add_ps(_mm512_loadu_ps(o), sum[i][j]) : sum[i][j]);
        }
}

/* Two functions, so that the compiler keeps the inner loop of each bare. */
static __attribute__((noinline)) void tile_fetching(float *out, size_t stride, const uint32_t *a, const uint32_t *b,
                                                    int pairs, bool add, const char *next) {
    tile(out, stride, a, b, pairs, add, next);
}

static __attribute__((noinline)) void tile_alone(float *out, size_t stride, const uint32_t *a, const uint32_t *b,
                                                 int pairs, bool add) {
    tile(out, stride, a, b, pairs, add, NULL);
}

/** A tile that reaches over dw's edge goes through a small one of its own. */
static void tile_at_edge(float *out, size_t stride, int rows, int columns, const uint32_t *a, const uint32_t *b,
                         int pairs, bool add) {
    _Alignas(64) float whole[TILE_K * TILE_C];
    tile_alone(whole, TILE_C, a, b, pairs, false);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            float *o = out + (size_t)i * stride + j;
            *o = (add ? *o : 0) + whole[i * TILE_C + j];
        }
}

/** What is yet to be fetched: the next block's rows of dy, then of x. */
typedef struct product_fetch {
    const char *at[2], *end[2];
} product_fetch;

INLINE const char *next_fetch(product_fetch *f) {
    for (int i = 0; i < 2; i++)
        if (f->at[i] < f->end[i]) {
            f->at[i] += FETCH_BYTES;
            return f->at[i] - FETCH_BYTES;
        }
    return NULL;
}

static product_fetch fetch_of(const product_part *t, size_t row) {
    size_t rows = t->end > row ? t->end - row : 0;
    rows = rows < PRODUCT_ROWS ? rows : PRODUCT_ROWS;
    const char *dy = (const char *)(t->dy + row * (size_t)t->dy_stride), *x = (const char *)(t->x + row * (size_t)t->c);
    size_t dy_bytes = t->k == t->dy_stride ? rows * (size_t)t->k * sizeof *t->dy : 0; /* else not in one piece */
    return (product_fetch){{dy, x}, {dy + dy_bytes, x + rows * (size_t)t->c * sizeof *t->x}};
}

static void product(const product_part *t, void *scratch) {
    size_t c = (size_t)t->c;
    uint32_t *a = scratch, *b = a + ((size_t)t->k + TILE_C - 1) / TILE_C * (TILE_C / TILE_K) * PANEL_K;
    for (size_t row = t->begin; row < t->end; row += PRODUCT_ROWS) {
        int rows = t->end - row < PRODUCT_ROWS ? (int)(t->end - row) : PRODUCT_ROWS, pairs = (rows + 1) / 2;
        bool add = t->add || row > t->begin;
        product_fetch ahead = fetch_of(t, row + PRODUCT_ROWS);
        pack_rows(a, t->dy + row * (size_t)t->dy_stride, (size_t)t->dy_stride, rows, t->k, false);
        pack_rows(b, t->x + row * c, c, rows, t->c, true);
        for (int j = 0; j < t->c; j += TILE_C)
            for (int i = 0; i < t->k; i += TILE_K) {
                float *out = t->dw + (size_t)i * c + j;
                const uint32_t *dy = a + (size_t)(i / TILE_K) * PANEL_K, *x = b + (size_t)(j / TILE_C) * PANEL_C;
                const char *next = next_fetch(&ahead);
                int tall = t->k - i, wide = t->c - j;
                if (tall < TILE_K || wide < TILE_C)
                    tile_at_edge(out, c, tall < TILE_K ? tall : TILE_K, wide < TILE_C ? wide : TILE_C, dy, x, pairs,
                                 add);
                else if (next != NULL)
                    tile_fetching(out, c, dy, x, pairs, add, next);
                else
                    tile_alone(out, c, dy, x, pairs, add);
            }
    }
}

#endif
