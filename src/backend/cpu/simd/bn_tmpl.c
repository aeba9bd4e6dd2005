/* Batch normalisation over rows of c channels. Sums are computed over four rows at a time into fp32 accumulators, which
 * fit in the L1 cache, so memory is read as one sequential stream. */
#include "backend/cpu/simd/vector_tmpl.h"

enum { SUM_CHANNELS = 2048, SUM_ROWS = 32 };

/** Adds the accumulators to the double sums and sets them to 0. */
INLINE void flush_sums(double *sums, double *products, float *s, float *q, int c) {
    for (int k = 0; k < c; k++) {
        sums[k] += (double)s[k];
        products[k] += (double)q[k];
        s[k] = q[k] = 0;
    }
}

/* ---- forward ---- */

INLINE void sums_step(float *s, float *q, const void *x, size_t at, size_t stride, const float *shift, int rows,
                      int lanes, bool bf16) {
    vf m = load_f32(shift, lanes), a = load_f32(s, lanes), b = load_f32(q, lanes);
    for (int r = 0; r < rows; r++) {
        fetch_ahead(x, at + (size_t)r * stride, bf16);
        vf v = load_x(x, at + (size_t)r * stride, lanes, bf16) - m;
        a += v;
        b += v * v;
    }
    store_f32(s, a, lanes);
    store_f32(q, b, lanes);
}

INLINE void sums_rows(float *s, float *q, const void *x, size_t at, size_t stride, const float *shift, int c, int rows,
                      bool bf16) {
    int k = 0;
    for (; k + LANES <= c; k += LANES)
        sums_step(s + k, q + k, x, at + (size_t)k, stride, shift + k, rows, LANES, bf16);
    if (k < c)
        sums_step(s + k, q + k, x, at + (size_t)k, stride, shift + k, rows, c - k, bf16);
}

INLINE void sums_typed(double *sums, const void *x, const float *shift, bn_range r, bool bf16) {
    float s[SUM_CHANNELS] = {0}, q[SUM_CHANNELS] = {0};
    size_t stride = (size_t)r.c;
    memset(sums, 0, 2 * stride * sizeof *sums);
    for (int k = 0; k < r.c; k += SUM_CHANNELS) {
        int c = r.c - k < SUM_CHANNELS ? r.c - k : SUM_CHANNELS;
        for (size_t row = r.begin; row < r.end;) {
            size_t stop = r.end - row < SUM_ROWS ? r.end : row + SUM_ROWS;
            for (; row + 4 <= stop; row += 4)
                sums_rows(s, q, x, row * stride + (size_t)k, stride, shift + k, c, 4, bf16);
            for (; row < stop; row++)
                sums_rows(s, q, x, row * stride + (size_t)k, stride, shift + k, c, 1, bf16);
            flush_sums(sums + k, sums + r.c + k, s, q, c);
        }
    }
}

void SIMD_NAME(bn_sums)(double *sums, const void *x, const float *shift, bn_range r) {
    if (r.bf16)
        sums_typed(sums, x, shift, r, true);
    else
        sums_typed(sums, x, shift, r, false);
}

INLINE void apply_step(void *y, uint8_t *mask, const void *x, const void *residual, size_t at, const float *factor,
                       int c, bool relu, bool stream, int lanes, bool bf16) {
    fetch_ahead(x, at, bf16);
    vf v = load_x(x, at, lanes, bf16) * load_f32(factor, lanes) + load_f32(factor + c, lanes);
    if (residual != NULL) {
        fetch_ahead(residual, at, bf16);
        v += load_x(residual, at, lanes, bf16);
    }
    if (relu) {
        uint32_t bits = mask_above_zero(v);
        v = keep_where(v, bits);
        if (mask != NULL)
            store_mask(mask, bits);
    }
    store_out(y, at, v, lanes, bf16, stream);
}

INLINE void apply_rows(void *y, uint8_t *mask, const void *x, const void *residual, const float *factor, bool relu,
                       bn_range r, bool bf16) {
    size_t stride = bn_mask_stride(r.c);
    for (size_t row = r.begin; row < r.end; row++) {
        size_t at = row * (size_t)r.c;
        uint8_t *bits = mask != NULL ? mask + row * stride : NULL;
        int k = 0;
        for (; k + LANES <= r.c; k += LANES)
            apply_step(y, bits != NULL ? bits + k / 8 : NULL, x, residual, at + (size_t)k, factor + k, r.c, relu,
                       r.stream, LANES, bf16);
        if (k < r.c)
            apply_step(y, bits != NULL ? bits + k / 8 : NULL, x, residual, at + (size_t)k, factor + k, r.c, relu,
                       r.stream, r.c - k, bf16);
    }
    finish_streams(r.stream);
}

INLINE void apply_typed(void *y, uint8_t *mask, const void *x, const void *residual, const float *factor, bool relu,
                        bn_range r, bool bf16) {
    if (residual != NULL && relu && mask != NULL)
        apply_rows(y, mask, x, residual, factor, true, r, bf16);
    else if (residual != NULL)
        apply_rows(y, mask, x, residual, factor, relu, r, bf16);
    else if (relu && mask != NULL)
        apply_rows(y, mask, x, NULL, factor, true, r, bf16);
    else
        apply_rows(y, NULL, x, NULL, factor, relu, r, bf16);
}

void SIMD_NAME(bn_apply)(void *y, uint8_t *mask, const void *x, const void *residual, const float *factor, bool relu,
                         bn_range r) {
    if (r.bf16)
        apply_typed(y, mask, x, residual, factor, relu, r, true);
    else
        apply_typed(y, mask, x, residual, factor, relu, r, false);
}

/* ---- backward ---- */

INLINE vf masked_gradient(const bn_gradient *in, size_t at, const uint8_t *mask, int lanes, bool bf16) {
    fetch_ahead(in->dy[0], at, bf16);
    fetch_ahead(in->x, at, bf16);
    vf g = load_x(in->dy[0], at, lanes, bf16);
    if (in->dy[1] != NULL) {
        fetch_ahead(in->dy[1], at, bf16);
        g += load_x(in->dy[1], at, lanes, bf16);
    }
    return mask != NULL ? keep_where(g, load_mask(mask)) : g;
}

INLINE void gradient_sums_step(float *s, float *q, void *out, const bn_gradient *in, size_t at, size_t stride,
                               const uint8_t *mask, size_t mask_stride, const float *mean, int rows, int lanes,
                               bool bf16) {
    vf m = load_f32(mean, lanes), a = load_f32(s, lanes), b = load_f32(q, lanes);
    for (int r = 0; r < rows; r++) {
        size_t i = at + (size_t)r * stride;
        vf g = masked_gradient(in, i, mask != NULL ? mask + (size_t)r * mask_stride : NULL, lanes, bf16);
        if (out != NULL)
            store_x(out, i, g, lanes, bf16);
        a += g;
        b += g * (load_x(in->x, i, lanes, bf16) - m);
    }
    store_f32(s, a, lanes);
    store_f32(q, b, lanes);
}

INLINE void gradient_sums_rows(float *s, float *q, void *out, const bn_gradient *in, size_t row, int first, int c,
                               int channels, const float *mean, int rows, bool bf16) {
    size_t stride = (size_t)channels, mask_stride = bn_mask_stride(channels), at = row * stride + (size_t)first;
    const uint8_t *mask = in->mask != NULL ? in->mask + row * mask_stride + first / 8 : NULL;
    int k = 0;
    for (; k + LANES <= c; k += LANES)
        gradient_sums_step(s + k, q + k, out, in, at + (size_t)k, stride, mask != NULL ? mask + k / 8 : NULL,
                           mask_stride, mean + k, rows, LANES, bf16);
    if (k < c)
        gradient_sums_step(s + k, q + k, out, in, at + (size_t)k, stride, mask != NULL ? mask + k / 8 : NULL,
                           mask_stride, mean + k, rows, c - k, bf16);
}

INLINE void gradient_sums_typed(double *sums, void *out, const bn_gradient *in, const float *mean, bn_range r,
                                bool bf16) {
    float s[SUM_CHANNELS] = {0}, q[SUM_CHANNELS] = {0};
    memset(sums, 0, 2 * (size_t)r.c * sizeof *sums);
    for (int k = 0; k < r.c; k += SUM_CHANNELS) {
        int c = r.c - k < SUM_CHANNELS ? r.c - k : SUM_CHANNELS;
        for (size_t row = r.begin; row < r.end;) {
            size_t stop = r.end - row < SUM_ROWS ? r.end : row + SUM_ROWS;
            for (; row + 4 <= stop; row += 4)
                gradient_sums_rows(s, q, out, in, row, k, c, r.c, mean + k, 4, bf16);
            for (; row < stop; row++)
                gradient_sums_rows(s, q, out, in, row, k, c, r.c, mean + k, 1, bf16);
            flush_sums(sums + k, sums + r.c + k, s, q, c);
        }
    }
}

/** Compiles one variant per case, so the inner loops contain no tests for NULL. */
INLINE void gradient_sums_cases(double *sums, void *out, const bn_gradient *in, const float *mean, bn_range r,
                                bool bf16) {
    const bn_gradient one = {in->x, {in->dy[0], NULL}, in->mask}, bare = {in->x, {in->dy[0], NULL}, NULL};
    if (in->dy[1] != NULL)
        gradient_sums_typed(sums, out, in, mean, r, bf16);
    else if (in->mask == NULL && out == NULL)
        gradient_sums_typed(sums, NULL, &bare, mean, r, bf16);
    else if (out == NULL)
        gradient_sums_typed(sums, NULL, &one, mean, r, bf16);
    else
        gradient_sums_typed(sums, out, &one, mean, r, bf16);
}

void SIMD_NAME(bn_gradient_sums)(double *sums, void *out, const bn_gradient *in, const float *mean, bn_range r) {
    if (r.bf16)
        gradient_sums_cases(sums, out, in, mean, r, true);
    else
        gradient_sums_cases(sums, out, in, mean, r, false);
}

INLINE void gradient_step(void *dx, const bn_gradient *in, size_t at, const uint8_t *mask, const float *factor, int c,
                          bool stream, int lanes, bool bf16) {
    vf g = masked_gradient(in, at, mask, lanes, bf16), x = load_x(in->x, at, lanes, bf16);
    vf v = x * load_f32(factor + c, lanes) + load_f32(factor + 2 * c, lanes);
    store_out(dx, at, g * load_f32(factor, lanes) + v, lanes, bf16, stream);
}

INLINE void gradient_rows(void *dx, const bn_gradient *in, const float *factor, bn_range r, bool bf16) {
    size_t stride = bn_mask_stride(r.c);
    for (size_t row = r.begin; row < r.end; row++) {
        size_t at = row * (size_t)r.c;
        const uint8_t *mask = in->mask != NULL ? in->mask + row * stride : NULL;
        int k = 0;
        for (; k + LANES <= r.c; k += LANES)
            gradient_step(dx, in, at + (size_t)k, mask != NULL ? mask + k / 8 : NULL, factor + k, r.c, r.stream, LANES,
                          bf16);
        if (k < r.c)
            gradient_step(dx, in, at + (size_t)k, mask != NULL ? mask + k / 8 : NULL, factor + k, r.c, r.stream,
                          r.c - k, bf16);
    }
    finish_streams(r.stream);
}

INLINE void gradient_cases(void *dx, const bn_gradient *in, const float *factor, bn_range r, bool bf16) {
    const bn_gradient one = {in->x, {in->dy[0], NULL}, in->mask}, bare = {in->x, {in->dy[0], NULL}, NULL};
    if (in->dy[1] != NULL)
        gradient_rows(dx, in, factor, r, bf16);
    else if (in->mask != NULL)
        gradient_rows(dx, &one, factor, r, bf16);
    else
        gradient_rows(dx, &bare, factor, r, bf16);
}

void SIMD_NAME(bn_gradient_apply)(void *dx, const bn_gradient *in, const float *factor, bn_range r) {
    if (r.bf16)
        gradient_cases(dx, in, factor, r, true);
    else
        gradient_cases(dx, in, factor, r, false);
}
