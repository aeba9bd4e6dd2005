/* 16-bit floats against their definition: every code, and every number around the midpoints between them, in float
 * and double. */
#include "check.h"

#include "base/half.h"
#include "half_reference.h"

#include <float.h>

typedef struct conversion {
    const half_format *format;
    uint16_t (*from_float)(float);
    uint16_t (*from_double)(double);
    float (*to_float)(uint16_t);
} conversion;

static uint16_t of_float_bf16(float x) { return bf16_from_float(x); }
static uint16_t of_float_f16(float x) { return f16_from_float(x); }
static uint16_t of_double_bf16(double x) { return bf16_from_double(x); }
static uint16_t of_double_f16(double x) { return f16_from_double(x); }
static float to_float_bf16(uint16_t h) { return bf16_to_float(h); }
static float to_float_f16(uint16_t h) { return f16_to_float(h); }

static const conversion all[] = {{&half_bf16, of_float_bf16, of_double_bf16, to_float_bf16},
                                 {&half_f16, of_float_f16, of_double_f16, to_float_f16}};

static void check_float(const conversion *c, float x) {
    uint16_t expected = half_nearest(c->format, (double)x);
    if (c->from_float(x) != expected || c->from_double((double)x) != expected)
        fail_msg("%a became %04x and %04x, expected %04x", (double)x, c->from_float(x), c->from_double((double)x),
                 expected);
}

static void check_double(const conversion *c, double x) {
    if (c->from_double(x) != half_nearest(c->format, x))
        fail_msg("%a became %04x, expected %04x", x, c->from_double(x), half_nearest(c->format, x));
}

/** All 65,536 codes: each has its value and converts back to itself. */
static void every_code(void **state) {
    (void)state;
    for (const conversion *c = all; c < all + 2; c++)
        for (int code = 0; code <= 0xffff; code++) {
            float x = c->to_float((uint16_t)code);
            int magnitude = code & 0x7fff;
            assert_int_equal(signbit(x) != 0, code >> 15);
            if (magnitude > c->format->infinity) {
                const uint16_t back[] = {c->from_float(x), c->from_double((double)x)};
                for (int i = 0; i < 2; i++) /* a quiet NaN with the same sign */
                    assert_true(isnan(x) && back[i] >> 15 == code >> 15 &&
                                (back[i] & 0x7fff) >= (c->format->infinity | 1 << (c->format->mantissa - 1)));
                continue;
            }
            double value = magnitude == c->format->infinity ? INFINITY : half_value(c->format, magnitude);
            assert_true((double)fabsf(x) == value);
            assert_int_equal(c->from_float(x), code);
            assert_int_equal(c->from_double((double)x), code);
        }
}

/** The result of rounding changes at midpoints; there is also one above the largest finite number. A conversion to
 * float would round the double next to a midpoint to the midpoint, so a double must not be rounded twice. */
static void every_midpoint(void **state) {
    (void)state;
    for (const conversion *c = all; c < all + 2; c++)
        for (int code = 0; code < c->format->infinity; code++) {
            double middle = (half_value(c->format, code) + half_value(c->format, code + 1)) / 2;
            float single = (float)middle;
            assert_true((double)single == middle);
            for (int sign = -1; sign <= 1; sign += 2) {
                float about[] = {single, nextafterf(single, 0), nextafterf(single, INFINITY)};
                double closer[] = {nextafter(middle, 0), nextafter(middle, INFINITY)};
                for (int i = 0; i < 3; i++)
                    check_float(c, (float)sign * about[i]);
                for (int i = 0; i < 2; i++)
                    check_double(c, sign * closer[i]);
            }
        }
}

/** Floats of all exponents and mantissas, denormal ones included, and doubles with more digits. */
static void random_numbers(void **state) {
    (void)state;
    for (const conversion *c = all; c < all + 2; c++)
        for (uint64_t bits = 0; bits < 0x7f800000; bits += 9973) {
            uint32_t pattern = (uint32_t)bits;
            float x;
            memcpy(&x, &pattern, sizeof x);
            check_float(c, x);
            check_float(c, -x);
            check_double(c, (double)x * (1 + DBL_EPSILON));
            check_double(c, (double)x * (1 - DBL_EPSILON / 2));
        }
}

static void ends(void **state) {
    (void)state;
    const double beyond[] = {65520,    65519.999999999993,
                             1e6,      3.3895313892515355e38,
                             FLT_MAX,  1e39,
                             DBL_MAX,  DBL_TRUE_MIN,
                             1e-46,    7e-46,
                             0x1p-150, 0x1.0000000000001p-25,
                             0x1p-25,  0x1p-134};
    for (const conversion *c = all; c < all + 2; c++) {
        for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
            check_double(c, beyond[i]);
            check_double(c, -beyond[i]);
        }
        assert_int_equal(c->from_double(INFINITY), c->format->infinity);
        assert_int_equal(c->from_float(-INFINITY), c->format->infinity | 0x8000);
        assert_int_equal(c->from_double(-0.0), 0x8000);
    }
    assert_true(f16_to_float(0x7bff) == (float)F16_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_code), cmocka_unit_test(every_midpoint),
                                       cmocka_unit_test(random_numbers), cmocka_unit_test(ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
