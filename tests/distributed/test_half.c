/* 16-bit floats against their definition: every code, every neighbour of every midpoint, sums, division, ends of rows.
 */
#include "check.h"

#include "distributed/half.h"

enum { CODES = 0x8000, GUARD = 0xa5a5 };

typedef struct format {
    comm_type type;
    int mantissa, exponent_min; /* stored bits; of the smallest normal number */
    uint16_t infinity;
} format;

static const format formats[] = {{COMM_BF16, 7, -126, 0x7f80}, {COMM_F16, 10, -14, 0x7c00}};

/** The value of a code without sign, as the formats are defined; what follows the largest finite one counts as the next
 *  step, for rounding. */
static double value_of(const format *f, int code) {
    int exponent = code >> f->mantissa, fraction = code & ((1 << f->mantissa) - 1);
    return exponent == 0 ? ldexp(fraction, f->exponent_min - f->mantissa)
                         : ldexp(fraction + (1 << f->mantissa), f->exponent_min - f->mantissa + exponent - 1);
}

/** The nearest code, the even one of two, found without rounding. */
static uint16_t nearest(const format *f, double x) {
    double a = fabs(x);
    int low = 0, high = f->infinity;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (value_of(f, middle) <= a)
            low = middle;
        else
            high = middle;
    }
    double down = a - value_of(f, low), up = value_of(f, high) - a;
    int code = down < up || (down == up && low % 2 == 0) ? low : high;
    return (uint16_t)(code | (signbit(x) ? 0x8000 : 0));
}

static uint16_t narrowed(const format *f, float x, int parts) {
    uint16_t out = 0;
    half_narrow(&out, &x, 1, f->type, parts);
    return out;
}

static float widened(const format *f, uint16_t code) {
    float out = 0;
    half_widen(&out, &code, 1, f->type);
    return out;
}

static void every_code(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        for (int code = 0; code < CODES; code++) {
            const format *f = &formats[k];
            float plus = widened(f, (uint16_t)code), minus = widened(f, (uint16_t)(code | 0x8000));
            if (code > f->infinity) {
                assert_true(isnan(plus) && isnan(minus));
                assert_true((narrowed(f, plus, 1) & 0x7fff) > f->infinity);
                continue;
            }
            double value = code == f->infinity ? INFINITY : value_of(f, code);
            assert_true((double)plus == value && (double)minus == -value && signbit(minus));
            assert_int_equal(narrowed(f, plus, 1), code);
            assert_int_equal(narrowed(f, minus, 1), code | 0x8000);
        }
}

/** Midpoints are where rounding turns; the largest finite number has one above it too. */
static void every_midpoint(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        for (int code = 0; code < formats[k].infinity; code++) {
            const format *f = &formats[k];
            float middle = (float)((value_of(f, code) + value_of(f, code + 1)) / 2);
            const float near[] = {middle, nextafterf(middle, 0), nextafterf(middle, INFINITY)};
            for (int i = 0; i < 3; i++) {
                assert_int_equal(narrowed(f, near[i], 1), nearest(f, (double)near[i]));
                assert_int_equal(narrowed(f, -near[i], 1), nearest(f, -(double)near[i]));
            }
        }
}

static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

/** Rows of every length up to 80, with a guard behind: sums, and values divided, each rounded on its own. */
static void sums_and_parts(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (size_t k = 0; k < 2; k++)
        for (size_t n = 1; n <= 80; n++) {
            const format *f = &formats[k];
            uint16_t a[81], b[81], sum[81], part[81];
            float wide[81];
            int parts = (int)(1 + n % 7);
            for (size_t i = 0; i <= n; i++) {
                a[i] = (uint16_t)next(&seed);
                b[i] = i % 2 == 0 ? (uint16_t)(a[i] ^ 0x8000 ^ (next(&seed) & 0x3ff)) : (uint16_t)next(&seed);
                sum[i] = i < n ? a[i] : GUARD;
                part[i] = GUARD;
                wide[i] = widened(f, a[i]) * (1 + (float)(next(&seed) & 0xff) * 0x1p-15f);
            }
            half_add(sum, b, n, f->type);
            half_narrow(part, wide, n, f->type, parts);
            assert_int_equal(sum[n], GUARD);
            assert_int_equal(part[n], GUARD);
            for (size_t i = 0; i < n; i++) {
                float exact = widened(f, a[i]) + widened(f, b[i]);
                float share = widened(f, narrowed(f, wide[i], 1)) / (float)parts;
                if (!isfinite(exact) || !isfinite(share)) {
                    assert_true(isfinite(exact) || sum[i] == narrowed(f, exact, 1));
                    assert_true(isfinite(share) || !isfinite(widened(f, part[i])));
                    continue;
                }
                assert_int_equal(sum[i], nearest(f, (double)exact));
                assert_int_equal(part[i], nearest(f, (double)share));
            }
        }
}

/** What 16 bits cannot hold is infinite however many parts there are, and stays so in a sum. */
static void overflow(void **state) {
    (void)state;
    const format *f = &formats[1];
    assert_int_equal(narrowed(f, 65519, 4), nearest(f, 65504.0 / 4));
    assert_int_equal(narrowed(f, 65520, 4), 0x7c00);
    assert_int_equal(narrowed(f, -INFINITY, 4), 0xfc00);
    assert_true(isnan(widened(f, narrowed(f, NAN, 4))));
    uint16_t sum[] = {0x7c00, 0x7c00, 0x7bff};
    half_add(sum, (const uint16_t[]){0x3c00, 0xfc00, 0x7bff}, 3, COMM_F16);
    assert_int_equal(sum[0], 0x7c00);
    assert_true(isnan(widened(f, sum[1])));
    assert_int_equal(sum[2], 0x7c00);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_code), cmocka_unit_test(every_midpoint),
                                       cmocka_unit_test(sums_and_parts), cmocka_unit_test(overflow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
