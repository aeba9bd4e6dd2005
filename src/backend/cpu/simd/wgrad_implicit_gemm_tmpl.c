/* wgrad of a convolution in fp32 as a matrix product for each tap: dw[tap] = dy^T x. Blocks of GEMM_ROWS pixels of dy,
 * and of x at the tap's positions, are packed into panels: dy of WGRAD_K channels, x of two vectors. A tile of dw of
 * one panel each stays in registers for a block. In small maps only the pixels whose tap is inside x are packed, dy for
 * each tap. */
#include "backend/cpu/simd/vector_tmpl.h"

enum {
    WGRAD_K = 6, /* 12 of AVX2's 16 registers are sums */
    WGRAD_C = 2 * LANES,
    WGRAD_SMALL = 16,                /* pixels of a map */
    WGRAD_LINE = 64 / sizeof(float), /* between panels, so that they do not all fall into the same cache set */
    WGRAD_DY_PANEL = GEMM_ROWS * WGRAD_K + WGRAD_LINE,
    WGRAD_X_PANEL = GEMM_ROWS * WGRAD_C + WGRAD_LINE
};

INLINE size_t wgrad_panels(int channels, int width) { return ((size_t)channels + (size_t)width - 1) / (size_t)width; }

static size_t wgrad_workspace(int k, int c) {
    return (wgrad_panels(k, WGRAD_K) * WGRAD_DY_PANEL + wgrad_panels(c, WGRAD_C) * WGRAD_X_PANEL) * sizeof(float);
}

/** A row of n channels to panels of `width` channels, `panel` floats apart; channels that are missing become 0. Copies
 * whole vectors: up to LANES - 1 floats after each place are overwritten. row NULL: zeros. */
INLINE void wgrad_pack(float *out, size_t panel, int width, const float *row, int n) {
    int i = 0;
    for (; row != NULL && i + (width > LANES ? width : LANES) <= n; i += width, out += panel)
        for (int j = 0; j < width; j += LANES)
            store_f32(out + j, load_f32(row + i + j, LANES), LANES);
    for (; i < n; i += width, out += panel)
        for (int j = 0; j < width; j++)
            out[j] = row != NULL && i + j < n ? row[i + j] : 0;
}

/** out (WGRAD_K x WGRAD_C, rows `stride` apart) = or += (add) the product of two panels. */
static __attribute__((noinline)) void wgrad_tile(float *out, size_t stride, const float *dy, const float *x, int rows,
                                                 bool add) {
    vf sum[WGRAD_K][2];
#pragma GCC unroll 6
    for (int i = 0; i < WGRAD_K; i++)
        sum[i][0] = sum[i][1] = (vf){0};
    for (int row = 0; row < rows; row++, dy += WGRAD_K, x += WGRAD_C) {
        vf x0 = load_f32(x, LANES), x1 = load_f32(x + LANES, LANES);
#pragma GCC unroll 6
        for (int i = 0; i < WGRAD_K; i++) {
            vf one = splat(dy[i]);
            sum[i][0] += one * x0;
            sum[i][1] += one * x1;
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < WGRAD_K; i++) {
        float *o = out + (size_t)i * stride;
        store_f32(o, add ? load_f32(o, LANES) + sum[i][0] : sum[i][0], LANES);
        store_f32(o + LANES, add ? load_f32(o + LANES, LANES) + sum[i][1] : sum[i][1], LANES);
    }
}

/** A tile across dw's edge is computed in a buffer. */
static void wgrad_edge(float *out, size_t stride, int tall, int wide, const float *dy, const float *x, int rows,
                       bool add) {
    float whole[WGRAD_K * WGRAD_C];
    wgrad_tile(whole, WGRAD_C, dy, x, rows, false);
    for (int i = 0; i < tall; i++)
        for (int j = 0; j < wide; j++) {
            float *o = out + (size_t)i * stride + j;
            *o = (add ? *o : 0) + whole[i * WGRAD_C + j];
        }
}

INLINE bool wgrad_small(const conv_shape *s) { return s->kernel > 1 && s->y.h * s->y.w <= WGRAD_SMALL; }

/** The row of x that a pixel of y reads at a tap; NULL: in the padding. */
INLINE const float *wgrad_x_row(const wgrad_implicit_gemm_part *t, size_t pixel, int tap) {
    const conv_shape *s = t->shape;
    size_t line = pixel / (size_t)s->y.w, image = line / (size_t)s->y.h;
    int h = (int)(line % (size_t)s->y.h) * s->stride - s->pad + tap / s->kernel;
    int w = (int)(pixel % (size_t)s->y.w) * s->stride - s->pad + tap % s->kernel;
    if (h < 0 || h >= s->x.h || w < 0 || w >= s->x.w)
        return NULL;
    return t->x + ((image * (size_t)s->x.h + (size_t)h) * (size_t)s->x.w + (size_t)w) * (size_t)s->x.c;
}

INLINE void wgrad_pack_dy(float *dy, int row, const wgrad_implicit_gemm_part *t, size_t pixel) {
    wgrad_pack(dy + row * WGRAD_K, WGRAD_DY_PANEL, WGRAD_K, t->dy + pixel * (size_t)t->shape->y.c, t->k);
}

/** Packs x of the pixels from `pixel` on at one tap; in a small map dy too, and only pixels inside x.
 *  @return the number of rows packed. Rows go upwards: each replaces what the row before wrote beyond its place. */
static int wgrad_pack_tap(float *dy, float *x, const wgrad_implicit_gemm_part *t, size_t pixel, int pixels, int tap) {
    bool small = wgrad_small(t->shape);
    int rows = 0;
    for (int i = 0; i < pixels; i++, pixel++) {
        const float *from = wgrad_x_row(t, pixel, tap);
        if (small && from == NULL)
            continue;
        if (small)
            wgrad_pack_dy(dy, rows, t, pixel);
        wgrad_pack(x + rows++ * WGRAD_C, WGRAD_X_PANEL, WGRAD_C, from, t->shape->x.c);
    }
    return rows;
}

static void wgrad_products(float *dw, const wgrad_implicit_gemm_part *t, const float *dy, const float *x, int rows,
                           bool add) {
    int c = t->shape->x.c;
    for (int j = 0; j < c; j += WGRAD_C, x += WGRAD_X_PANEL) {
        const float *dy_panel = dy;
        for (int i = 0; i < t->k; i += WGRAD_K, dy_panel += WGRAD_DY_PANEL) {
            float *out = dw + (size_t)i * (size_t)c + j;
            int tall = smaller(WGRAD_K, t->k - i), wide = smaller(WGRAD_C, c - j);
            if (tall == WGRAD_K && wide == WGRAD_C)
                wgrad_tile(out, (size_t)c, dy_panel, x, rows, add);
            else
                wgrad_edge(out, (size_t)c, tall, wide, dy_panel, x, rows, add);
        }
    }
}

static void wgrad_run(const wgrad_implicit_gemm_part *t, void *workspace) {
    const conv_shape *s = t->shape;
    size_t dw_step = (size_t)s->y.c * (size_t)s->x.c;
    float *dy = workspace, *x = dy + wgrad_panels(t->k, WGRAD_K) * WGRAD_DY_PANEL;
    for (size_t pixel = t->begin; pixel < t->end; pixel += GEMM_ROWS) {
        int pixels = t->end - pixel < GEMM_ROWS ? (int)(t->end - pixel) : GEMM_ROWS;
        for (int i = 0; i < pixels && !wgrad_small(s); i++)
            wgrad_pack_dy(dy, i, t, pixel + (size_t)i);
        for (int tap = 0; tap < s->kernel * s->kernel; tap++) {
            int rows = wgrad_pack_tap(dy, x, t, pixel, pixels, tap);
            wgrad_products(t->dw + (size_t)tap * dw_step, t, dy, x, rows, t->add || pixel > t->begin);
        }
    }
}

const wgrad_implicit_gemm_kernels SIMD_NAME(wgrad_implicit_gemm) = {wgrad_run, wgrad_workspace};
