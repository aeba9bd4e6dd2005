/* Loops without branches for the compiler to vectorise, once for any machine and once for AVX2. */
#include "distributed/half.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

INLINE float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

#define EXPONENT(n) ((uint32_t)(n) << 23)

INLINE uint16_t to_bf16(float f) {
    uint32_t bits = bits_of(f), rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    uint32_t nan = bits >> 16 | 0x40; /* rounding a NaN could make it infinite */
    return (uint16_t)((bits & 0x7fffffff) > EXPONENT(255) ? nan : rounded);
}

INLINE float from_bf16(uint16_t h) { return float_of((uint32_t)h << 16); }

INLINE uint16_t to_f16(float f) {
    uint32_t bits = bits_of(f), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;
    uint32_t normal = (a - EXPONENT(127 - 15) + 0xfff + (a >> 13 & 1)) >> 13;
    uint32_t tiny = bits_of(float_of(a) + 0.5f) - bits_of(0.5f); /* floats from 0.5 on are as far apart: 2^-24 */
    uint32_t finite = a < EXPONENT(127 - 14) ? tiny : normal;
    uint32_t large = a > EXPONENT(255) ? 0x7e00 : 0x7c00;
    return (uint16_t)(sign | (a < bits_of(65520) ? finite : large)); /* 65520: half a step above the largest */
}

INLINE float from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, a = h & 0x7fff;
    uint32_t normal = (a << 13) + EXPONENT(127 - 15);
    uint32_t tiny = bits_of((float)(int32_t)a * 0x1p-24f);
    uint32_t special = (a << 13) + EXPONENT(255 - 31);
    return float_of(sign | (a < 0x400 ? tiny : a < 0x7c00 ? normal : special));
}

INLINE uint16_t to_half(float f, bool bf16) { return bf16 ? to_bf16(f) : to_f16(f); }
INLINE float from_half(uint16_t h, bool bf16) { return bf16 ? from_bf16(h) : from_f16(h); }

INLINE void narrow(uint16_t *restrict out, const float *restrict in, size_t n, bool bf16, float parts) {
    for (size_t i = 0; i < n; i++)
        out[i] = to_half(from_half(to_half(in[i], bf16), bf16) / parts, bf16);
}

INLINE void widen(float *restrict out, const uint16_t *restrict in, size_t n, bool bf16) {
    for (size_t i = 0; i < n; i++)
        out[i] = from_half(in[i], bf16);
}

INLINE void add(uint16_t *restrict sum, const uint16_t *restrict in, size_t n, bool bf16) {
    for (size_t i = 0; i < n; i++)
        sum[i] = to_half(from_half(sum[i], bf16) + from_half(in[i], bf16), bf16);
}

/** The loops for one instruction set; each type's are compiled apart. */
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
