/* Arrays of 16-bit floats against their definition: every code, numbers around the midpoints, sums, division, array
 * ends. */
#include "check.h"

#include "distributed/half.h"
#include "half_reference.h"

enum { GUARD = 0xa5a5 };

typedef struct format {
    comm_type type;
    const half_format *is;
} format;

static const format formats[] = {{COMM_BF16, &half_bf16}, {COMM_F16, &half_f16}};

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

/** Converts arrays of every code there and back, and of every number around a midpoint. base/half tests the
 * definitions. */
static void conversions(void **state) {
    (void)state;
    static uint16_t code[0x10000], back[0x10000];
    static float wide[0x10000], about[0x10000];
    for (size_t k = 0; k < 2; k++) {
        const format *f = &formats[k];
        for (int i = 0; i < 0x10000; i++)
            code[i] = (uint16_t)i;
        half_widen(wide, code, 0x10000, f->type);
        half_narrow(back, wide, 0x10000, f->type, 1);
        for (int i = 0; i < 0x10000; i++) {
            uint16_t magnitude = (uint16_t)(i & 0x7fff);
            if (magnitude > f->is->infinity)
                assert_true(isnan(wide[i]) && (back[i] & 0x7fff) > f->is->infinity);
            else
                assert_int_equal(back[i], i);
            double x = half_value(f->is, magnitude), next = half_value(f->is, magnitude + 1);
            float middle = magnitude < f->is->infinity ? (float)((x + next) / 2) : 0;
            about[i] = (i >> 15 ? -1.0f : 1.0f) * (i % 3 == 0 ? middle : nextafterf(middle, i % 3 == 1 ? 0 : INFINITY));
        }
        half_narrow(back, about, 0x10000, f->type, 1);
        for (int i = 0; i < 0x10000; i++)
            assert_int_equal(back[i], half_nearest(f->is, (double)about[i]));
    }
}

static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

/** Arrays of every length up to 80, followed by a guard: sums and quotients, each rounded separately. */
static void sums_and_quotients(void **state) {
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
                    if (isnan(exact)) /* which of two NaNs a sum returns depends on the compiler */
                        assert_true(isnan(widened(f, sum[i])));
                    else if (!isfinite(exact))
                        assert_int_equal(sum[i], narrowed(f, exact, 1));
                    assert_true(isfinite(share) || !isfinite(widened(f, part[i])));
                    continue;
                }
                assert_int_equal(sum[i], half_nearest(f->is, (double)exact));
                assert_int_equal(part[i], half_nearest(f->is, (double)share));
            }
        }
}

/** A value beyond the range of 16 bits is infinite for any number of ranks, and so is its sum. */
static void overflow(void **state) {
    (void)state;
    const format *f = &formats[1];
    assert_int_equal(narrowed(f, 65519, 4), half_nearest(f->is, 65504.0 / 4));
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(conversions), cmocka_unit_test(sums_and_quotients),
                                       cmocka_unit_test(overflow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
