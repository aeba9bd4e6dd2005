/** 16-bit floats by their definition, in double, without any rounding: slow, but easy to verify. */
#ifndef LINNET_TESTS_HALF_REFERENCE_H
#define LINNET_TESTS_HALF_REFERENCE_H

#include <math.h>
#include <stdint.h>

typedef struct half_format {
    int mantissa, exponent_min; /* stored bits; exponent of the smallest normal number */
    uint16_t infinity;
} half_format;

static const half_format half_bf16 = {7, -126, 0x7f80}, half_f16 = {10, -14, 0x7c00};

/** The value of a code without sign. The code after the largest finite one counts as the next step, for rounding. */
static inline double half_value(const half_format *f, int code) {
    int exponent = code >> f->mantissa, fraction = code & ((1 << f->mantissa) - 1);
    return exponent == 0 ? ldexp(fraction, f->exponent_min - f->mantissa)
                         : ldexp(fraction + (1 << f->mantissa), f->exponent_min - f->mantissa + exponent - 1);
}

/** The nearest code; of two equally near codes the even one. x is not NaN. */
static inline uint16_t half_nearest(const half_format *f, double x) {
    double a = fabs(x);
    int low = 0, high = f->infinity;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (half_value(f, middle) <= a)
            low = middle;
        else
            high = middle;
    }
    double down = a - half_value(f, low), up = half_value(f, high) - a;
    int code = down < up || (down == up && low % 2 == 0) ? low : high;
    return (uint16_t)(code | (signbit(x) ? 0x8000 : 0));
}

#endif
