/* The steps of AdamW, RMSprop and LAMB (kernels.h). Plain loops, which the compiler vectorises. */
#include "backend/cpu/simd/vector_tmpl.h"

INLINE void moments(float *m, float *v, float gradient, const adam *s) {
    float g = s->clip * gradient;
    *m = s->beta1 * *m + s->rest1 * g;
    *v = s->beta2 * *v + s->rest2 * g * g;
}

INLINE float direction(float m, float v, const adam *s) {
    return s->rate * m / (s->root * __builtin_sqrtf(v) + s->eps);
}

void SIMD_NAME(adamw)(float *restrict w, const float *restrict g, float *restrict m, float *restrict v,
                      const adam *step, size_t n) {
    const adam s = *step;
    for (size_t i = 0; i < n; i++) {
        moments(&m[i], &v[i], g[i], &s);
        w[i] = s.keep * w[i] - direction(m[i], v[i], &s);
    }
}

void SIMD_NAME(rmsprop)(float *restrict w, const float *restrict g, float *restrict m, float *restrict v,
                        const rmsprop *step, size_t n) {
    const rmsprop s = *step;
    for (size_t i = 0; i < n; i++) {
        float d = s.clip * g[i] + s.decay * w[i];
        v[i] = s.alpha * v[i] + s.rest * d * d;
        m[i] = s.momentum * m[i] + d / (__builtin_sqrtf(v[i]) + s.eps);
        w[i] -= s.lr * m[i];
    }
}

void SIMD_NAME(lamb_moments)(double sums[2], const float *restrict w, const float *restrict g, float *restrict m,
                             float *restrict v, const adam *step, size_t n) {
    const adam s = *step;
    double of_w[LANES] = {0}, of_u[LANES] = {0};
    sums[0] = sums[1] = 0;
    for (size_t i = 0; i < n; i += LANES) {
        int lanes = n - i < LANES ? (int)(n - i) : LANES;
        for (int k = 0; k < lanes; k++) {
            size_t at = i + (size_t)k;
            moments(&m[at], &v[at], g[at], &s);
            float u = direction(m[at], v[at], &s) + s.decay * w[at];
            of_w[k] += (double)w[at] * (double)w[at];
            of_u[k] += (double)u * (double)u;
        }
    }
    for (int k = 0; k < LANES; k++) {
        sums[0] += of_w[k];
        sums[1] += of_u[k];
    }
}

void SIMD_NAME(lamb)(float *restrict w, const float *restrict m, const float *restrict v, const adam *step, size_t n) {
    const adam s = *step;
    for (size_t i = 0; i < n; i++)
        w[i] -= s.lr * (direction(m[i], v[i], &s) + s.decay * w[i]);
}
