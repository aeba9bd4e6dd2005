#include "backend/convert.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

size_t element_bytes(element e) {
    switch (e) {
    case ELEMENT_F64: return 8;
    case ELEMENT_F32: return 4;
    case ELEMENT_BF16:
    case ELEMENT_F16: return 2;
    }
    return 0;
}

/** Bits of a 16-bit float with `mantissa` stored bits: x / step is a whole number of steps of its binade, and the
 *  encodings of a sign's finite numbers are consecutive integers. */
static uint16_t pack16(double x, int mantissa, int exponent_min) {
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    uint16_t infinity = (uint16_t)(0x7fff >> mantissa << mantissa);
    double a = fabs(x);
    if (isnan(a))
        return sign | infinity | (uint16_t)(1u << (mantissa - 1));
    if (isinf(a))
        return sign | infinity;
    if (a == 0)
        return sign;
    int exponent = 0;
    frexp(a, &exponent); /* a = f * 2^exponent, f in [0.5, 1) */
    int binade = exponent - 1 < exponent_min ? exponent_min : exponent - 1;
    double steps = nearbyint(ldexp(a, mantissa - binade)); /* up to 2^(mantissa+1) */
    double code = steps + ldexp(binade - exponent_min, mantissa);
    return sign | (code >= infinity ? infinity : (uint16_t)code);
}

static double unpack16(uint16_t bits, int mantissa, int exponent_min) {
    int exponent = (bits & 0x7fff) >> mantissa, top = 0x7fff >> mantissa;
    int fraction = bits & ((1 << mantissa) - 1);
    double a = 0;
    if (exponent == top)
        a = fraction != 0 ? NAN : INFINITY;
    else if (exponent == 0)
        a = ldexp(fraction, exponent_min - mantissa);
    else
        a = ldexp(fraction + (1 << mantissa), exponent - 1 + exponent_min - mantissa);
    return bits & 0x8000 ? -a : a;
}

enum { BF16_MANTISSA = 7, BF16_MIN = -126, F16_MANTISSA = 10, F16_MIN = -14 };

void elements_to_double(double *out, const void *in, element e, size_t n) {
    const float *f32 = in;
    const uint16_t *b16 = in;
    switch (e) {
    case ELEMENT_F64: memcpy(out, in, n * sizeof *out); break;
    case ELEMENT_F32:
        for (size_t i = 0; i < n; i++)
            out[i] = f32[i];
        break;
    case ELEMENT_BF16:
        for (size_t i = 0; i < n; i++)
            out[i] = unpack16(b16[i], BF16_MANTISSA, BF16_MIN);
        break;
    case ELEMENT_F16:
        for (size_t i = 0; i < n; i++)
            out[i] = unpack16(b16[i], F16_MANTISSA, F16_MIN);
        break;
    }
}

void elements_from_double(void *out, const double *in, element e, size_t n) {
    float *f32 = out;
    uint16_t *b16 = out;
    switch (e) {
    case ELEMENT_F64: memcpy(out, in, n * sizeof *in); break;
    case ELEMENT_F32:
        for (size_t i = 0; i < n; i++)
            f32[i] = (float)in[i];
        break;
    case ELEMENT_BF16:
        for (size_t i = 0; i < n; i++)
            b16[i] = pack16(in[i], BF16_MANTISSA, BF16_MIN);
        break;
    case ELEMENT_F16:
        for (size_t i = 0; i < n; i++)
            b16[i] = pack16(in[i], F16_MANTISSA, F16_MIN);
        break;
    }
}
