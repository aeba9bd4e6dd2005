/* Kernels that treat a tensor or an arena as a flat array. */
#include "backend/cpu/simd/vector_tmpl.h"

void SIMD_NAME(load)(void *x, const uint8_t *pixels, const void *table, size_t begin, size_t end, bool bf16) {
    if (bf16) {
        const uint16_t(*t)[256] = table;
        uint16_t *out = x;
        for (size_t i = begin; i + 3 <= end; i += 3)
            for (size_t k = 0; k < 3; k++)
                out[i + k] = t[k][pixels[i + k]];
    } else {
        const float(*t)[256] = table;
        float *out = x;
        for (size_t i = begin; i + 3 <= end; i += 3)
            for (size_t k = 0; k < 3; k++)
                out[i + k] = t[k][pixels[i + k]];
    }
}

void SIMD_NAME(to_bf16)(uint16_t *out, const float *in, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store_x(out, i, load_f32(in + i, LANES), LANES, true);
    if (i < n)
        store_x(out, i, load_f32(in + i, (int)(n - i)), (int)(n - i), true);
}

void SIMD_NAME(scale)(float *x, float factor, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

double SIMD_NAME(squares)(const float *x, size_t n) {
    double part[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            double v = (double)x[i + (size_t)k];
            part[k] += v * v;
        }
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    for (int k = 0; k < LANES; k++)
        sum += part[k];
    return sum;
}

INLINE void update_case(float *restrict w, const float *restrict g, float *restrict m, const sgd s, size_t n,
                        bool first, bool nesterov) {
    for (size_t i = 0; i < n; i++) {
        float d = s.clip * g[i] + s.decay * w[i];
        float buffer = first ? d : s.momentum * m[i] + s.one_minus_dampening * d;
        m[i] = buffer;
        w[i] -= s.lr * (nesterov ? d + s.momentum * buffer : buffer);
    }
}

void SIMD_NAME(update)(float *w, const float *g, float *m, const sgd *s, size_t n) {
    if (s->momentum == 0)
        for (size_t i = 0; i < n; i++)
            w[i] -= s->lr * (s->clip * g[i] + s->decay * w[i]);
    else if (s->first && s->nesterov)
        update_case(w, g, m, *s, n, true, true);
    else if (s->first)
        update_case(w, g, m, *s, n, true, false);
    else if (s->nesterov)
        update_case(w, g, m, *s, n, false, true);
    else
        update_case(w, g, m, *s, n, false, false);
}
