/* Pooling. Vectors are along channels, for every window size. */
#include "backend/cpu/simd/vector_tmpl.h"

/* ---- max ---- */

INLINE int clip_low(int at) { return at < 0 ? 0 : at; }

/** One output pixel, `lanes` channels from k: the part [r0, r1) x [s0, s1) of the window that is inside x. */
INLINE void maxpool_step(void *y, uint8_t *index, const void *x, const pool_shape *s, size_t corner, size_t to, int r0,
                         int r1, int s0, int s1, int lanes, bool bf16) {
    vf best = splat(-__builtin_inff());
    vi place = (vi){0} + (r0 * s->kernel + s0);
    for (int r = r0; r < r1; r++)
        for (int t = s0; t < s1; t++) {
            size_t at = corner + ((size_t)r * (size_t)s->x.w + (size_t)t) * (size_t)s->x.c;
            vf v = load_x(x, at, lanes, bf16);
            vi wins = (v > best) | is_nan(v);
            best = choose(wins, v, best);
            place = (wins & (r * s->kernel + t)) | (~wins & place);
        }
    store_x(y, to, best, lanes, bf16);
    if (index != NULL) {
        vb small = narrow_u8(place);
        memcpy(index + to, &small, (size_t)lanes);
    }
}

INLINE void maxpool_typed(void *y, uint8_t *index, const void *x, const pool_shape *s, size_t begin, size_t end,
                          bool bf16) {
    int c = s->x.c;
    for (size_t row = begin; row < end; row++) {
        size_t image = row / (size_t)s->y.h;
        int top = (int)(row % (size_t)s->y.h) * s->stride - s->pad;
        int r0 = clip_low(-top), r1 = s->x.h - top < s->kernel ? s->x.h - top : s->kernel;
        for (int q = 0; q < s->y.w; q++) {
            int left = q * s->stride - s->pad;
            int s0 = clip_low(-left), s1 = s->x.w - left < s->kernel ? s->x.w - left : s->kernel;
            /* the corner may be outside x (modulo 2^64); only positions inside are read */
            size_t line = image * (size_t)s->x.h + (size_t)top;
            size_t corner = (line * (size_t)s->x.w + (size_t)left) * (size_t)c;
            size_t to = (row * (size_t)s->y.w + (size_t)q) * (size_t)c;
            int k = 0;
            for (; k + LANES <= c; k += LANES)
                maxpool_step(y, index, x, s, corner + (size_t)k, to + (size_t)k, r0, r1, s0, s1, LANES, bf16);
            if (k < c)
                maxpool_step(y, index, x, s, corner + (size_t)k, to + (size_t)k, r0, r1, s0, s1, c - k, bf16);
        }
    }
}

void SIMD_NAME(maxpool)(void *y, uint8_t *index, const void *x, const pool_shape *s, size_t begin, size_t end) {
    if (s->bf16)
        maxpool_typed(y, index, x, s, begin, end, true);
    else
        maxpool_typed(y, index, x, s, begin, end, false);
}

/** Output positions [first, last] whose window contains input position `at`. */
typedef struct window_span {
    int first, last;
} window_span;

INLINE window_span windows_of(int at, int outputs, const pool_shape *s) {
    int high = (at + s->pad) / s->stride, low = at + s->pad - s->kernel + s->stride;
    return (window_span){low < 0 ? 0 : low / s->stride, high < outputs ? high : outputs - 1};
}

INLINE void maxpool_gradient_step(void *dx, const uint8_t *index, const void *const dy[2], const pool_shape *s,
                                  size_t image, int h, int w, int k, window_span p, window_span q, int lanes,
                                  bool bf16) {
    size_t c = (size_t)s->x.c;
    vf sum = {0};
    for (int i = p.first; i <= p.last; i++)
        for (int j = q.first; j <= q.last; j++) {
            size_t from = ((image * (size_t)s->y.h + (size_t)i) * (size_t)s->y.w + (size_t)j) * c + (size_t)k;
            int place = (h + s->pad - i * s->stride) * s->kernel + w + s->pad - j * s->stride;
            vb small = {0};
            memcpy(&small, index + from, (size_t)lanes);
            vi won = widen_u8(small) == place;
            vf g = load_x(dy[0], from, lanes, bf16);
            if (dy[1] != NULL)
                g += load_x(dy[1], from, lanes, bf16);
            sum += (vf)((vi)g & won);
        }
    size_t to = ((image * (size_t)s->x.h + (size_t)h) * (size_t)s->x.w + (size_t)w) * c + (size_t)k;
    store_out(dx, to, sum, lanes, bf16, s->stream);
}

INLINE void maxpool_gradient_typed(void *dx, const uint8_t *index, const void *const dy[2], const pool_shape *s,
                                   size_t begin, size_t end, bool bf16) {
    for (size_t row = begin; row < end; row++) {
        size_t image = row / (size_t)s->x.h;
        int h = (int)(row % (size_t)s->x.h);
        window_span p = windows_of(h, s->y.h, s);
        for (int w = 0; w < s->x.w; w++) {
            window_span q = windows_of(w, s->y.w, s);
            int k = 0;
            for (; k + LANES <= s->x.c; k += LANES)
                maxpool_gradient_step(dx, index, dy, s, image, h, w, k, p, q, LANES, bf16);
            if (k < s->x.c)
                maxpool_gradient_step(dx, index, dy, s, image, h, w, k, p, q, s->x.c - k, bf16);
        }
    }
    finish_streams(s->stream);
}

void SIMD_NAME(maxpool_gradient)(void *dx, const uint8_t *index, const void *const dy[2], const pool_shape *s,
                                 size_t begin, size_t end) {
    if (s->bf16)
        maxpool_gradient_typed(dx, index, dy, s, begin, end, true);
    else
        maxpool_gradient_typed(dx, index, dy, s, begin, end, false);
}

/* ---- average over the whole map ---- */

INLINE void avgpool_step(void *y, const void *x, const pool_shape *s, size_t image, int k, int lanes, bool bf16) {
    size_t c = (size_t)s->x.c, places = (size_t)s->x.h * (size_t)s->x.w;
    vf sum = {0};
    for (size_t i = 0; i < places; i++)
        sum += load_x(x, (image * places + i) * c + (size_t)k, lanes, bf16);
    store_x(y, image * c + (size_t)k, sum / (float)places, lanes, bf16);
}

void SIMD_NAME(avgpool)(void *y, const void *x, const pool_shape *s, size_t begin, size_t end) {
    for (size_t image = begin; image < end; image++) {
        int k = 0;
        for (; k + LANES <= s->x.c; k += LANES)
            avgpool_step(y, x, s, image, k, LANES, s->bf16);
        if (k < s->x.c)
            avgpool_step(y, x, s, image, k, s->x.c - k, s->bf16);
    }
}

INLINE void avgpool_gradient_step(void *dx, const void *const dy[2], const pool_shape *s, size_t image, int k,
                                  int lanes, bool bf16) {
    size_t c = (size_t)s->x.c, places = (size_t)s->x.h * (size_t)s->x.w;
    vf g = load_x(dy[0], image * c + (size_t)k, lanes, bf16);
    if (dy[1] != NULL)
        g += load_x(dy[1], image * c + (size_t)k, lanes, bf16);
    g /= (float)places;
    for (size_t i = 0; i < places; i++)
        store_x(dx, (image * places + i) * c + (size_t)k, g, lanes, bf16);
}

void SIMD_NAME(avgpool_gradient)(void *dx, const void *const dy[2], const pool_shape *s, size_t begin, size_t end) {
    for (size_t image = begin; image < end; image++) {
        int k = 0;
        for (; k + LANES <= s->x.c; k += LANES)
            avgpool_gradient_step(dx, dy, s, image, k, LANES, s->bf16);
        if (k < s->x.c)
            avgpool_gradient_step(dx, dy, s, image, k, s->x.c - k, s->bf16);
    }
}
