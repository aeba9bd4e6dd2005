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

/** One element of lamb_moments: adds its squares to *of_w and *of_u. */
INLINE void lamb_moment(double *of_w, double *of_u, float w, float g, float *m, float *v, const adam *s) {
    moments(m, v, g, s);
    float u = direction(*m, *v, s) + s->decay * w;
    *of_w += (double)w * (double)w;
    *of_u += (double)u * (double)u;
}

void SIMD_NAME(lamb_moments)(double sums[2], const float *restrict w, const float *restrict g, float *restrict m,
                             float *restrict v, const adam *step, size_t n) {
    const adam s = *step;
    double of_w[LANES] = {0}, of_u[LANES] = {0};
    size_t i = 0;
    sums[0] = sums[1] = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lamb_moment(&of_w[k], &of_u[k], w[i + k], g[i + k], &m[i + k], &v[i + k], &s);
    for (; i < n; i++)
        lamb_moment(&sums[0], &sums[1], w[i], g[i], &m[i], &v[i], &s);
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
