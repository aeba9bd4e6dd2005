/* Loops without branches, which the compiler vectorises: one version for any machine and one for AVX2. */
#include "distributed/half.h"

#include "base/half.h"

#include <stdbool.h>
#include <stddef.h>

HALF_INLINE uint16_t to_half(float f, bool bf16) { return bf16 ? bf16_from_float(f) : f16_from_float(f); }
HALF_INLINE float from_half(uint16_t h, bool bf16) { return bf16 ? bf16_to_float(h) : f16_to_float(h); }

HALF_INLINE void narrow(uint16_t *restrict out, const float *restrict in, size_t n, bool bf16, float parts) {
    for (size_t i = 0; i < n; i++)
        out[i] = to_half(from_half(to_half(in[i], bf16), bf16) / parts, bf16);
}

HALF_INLINE void widen(float *restrict out, const uint16_t *restrict in, size_t n, bool bf16) {
    for (size_t i = 0; i < n; i++)
        out[i] = from_half(in[i], bf16);
}

HALF_INLINE void add(uint16_t *restrict sum, const uint16_t *restrict in, size_t n, bool bf16) {
    for (size_t i = 0; i < n; i++)
        sum[i] = to_half(from_half(sum[i], bf16) + from_half(in[i], bf16), bf16);
}

/** The loops for one instruction set; each type has its own loops, because `bf16` is constant in them. */
#define LOOPS(name, ...)                                                                                               \
    __VA_ARGS__ static void narrow_##name(uint16_t *out, const float *in, size_t n, bool bf16, float parts) {          \
        if (bf16)                                                                                                      \
            narrow(out, in, n, true, parts);                                                                           \
        else                                                                                                           \
            narrow(out, in, n, false, parts);                                                                          \
    }                                                                                                                  \
    __VA_ARGS__ static void widen_##name(float *out, const uint16_t *in, size_t n, bool bf16) {                        \
        if (bf16)                                                                                                      \
            widen(out, in, n, true);                                                                                   \
        else                                                                                                           \
            widen(out, in, n, false);                                                                                  \
    }                                                                                                                  \
    __VA_ARGS__ static void add_##name(uint16_t *sum, const uint16_t *in, size_t n, bool bf16) {                       \
        if (bf16)                                                                                                      \
            add(sum, in, n, true);                                                                                     \
        else                                                                                                           \
            add(sum, in, n, false);                                                                                    \
    }

LOOPS(plain)
#ifdef __x86_64__
LOOPS(avx2, __attribute__((target("avx2"))))
#define CHOOSE(loop, ...) (__builtin_cpu_supports("avx2") ? loop##_avx2(__VA_ARGS__) : loop##_plain(__VA_ARGS__))
#else
#define CHOOSE(loop, ...) loop##_plain(__VA_ARGS__)
#endif

void half_narrow(uint16_t *out, const float *in, size_t n, comm_type type, int parts) {
    CHOOSE(narrow, out, in, n, type == COMM_BF16, (float)parts);
}

void half_widen(float *out, const uint16_t *in, size_t n, comm_type type) {
    CHOOSE(widen, out, in, n, type == COMM_BF16);
}

void half_add(uint16_t *sum, const uint16_t *in, size_t n, comm_type type) {
    CHOOSE(add, sum, in, n, type == COMM_BF16);
}
