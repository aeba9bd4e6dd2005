#include "backend/convert.h"
#include "check.h"

#include <float.h>

static uint16_t pack(element e, double x) {
    uint16_t out = 0;
    elements_from_double(&out, &x, e, 1);
    return out;
}

static double unpack(element e, uint16_t bits) {
    double x = 0;
    elements_to_double(&x, &bits, e, 1);
    return x;
}

/** Every code is unchanged by a conversion and back. Midpoints are rounded to even, other values to the nearest. */
static void all_codes(element e, uint16_t infinity) {
    for (int sign = 0; sign <= 0x8000; sign += 0x8000)
        for (int code = 0; code < infinity; code++) {
            uint16_t bits = (uint16_t)(sign | code);
            double x = unpack(e, bits), next = unpack(e, (uint16_t)(bits + 1));
            assert_true(isfinite(x));
            assert_int_equal(pack(e, x), bits);
            if (code + 1 == infinity)
                next = 2 * x - unpack(e, (uint16_t)(bits - 1));
            else
                assert_true(sign != 0 ? next < x : next > x);
            double half = x + (next - x) / 2;
            assert_int_equal(pack(e, half), code % 2 == 0 ? bits : bits + 1);
            double step = fabs(half) * DBL_EPSILON;
            assert_int_equal(pack(e, half - copysign(step, next - x)), bits);
            assert_int_equal(pack(e, half + copysign(step, next - x)), bits + 1);
        }
    assert_true(isinf(unpack(e, infinity)) && unpack(e, infinity | 0x8000) < 0);
    assert_int_equal(pack(e, -INFINITY), infinity | 0x8000);
    assert_int_equal(pack(e, 1e300), infinity);
    assert_true(isnan(unpack(e, pack(e, NAN))));
}

static void bf16(void **state) {
    (void)state;
    all_codes(ELEMENT_BF16, 0x7f80);
    assert_int_equal(pack(ELEMENT_BF16, 1), 0x3f80);
    assert_int_equal(pack(ELEMENT_BF16, -2.5), 0xc020);
    assert_true(unpack(ELEMENT_BF16, 1) == ldexp(1, -133));
}

static void f16(void **state) {
    (void)state;
    all_codes(ELEMENT_F16, 0x7c00);
    assert_int_equal(pack(ELEMENT_F16, 1), 0x3c00);
    assert_int_equal(pack(ELEMENT_F16, 65504), 0x7bff);
    assert_int_equal(pack(ELEMENT_F16, 65520), 0x7c00);
    assert_true(unpack(ELEMENT_F16, 1) == ldexp(1, -24));
}

static void wide(void **state) {
    (void)state;
    const double x[] = {0, -1.5, 1e-40, 3.4e38, 1.0 / 3}; /* 1e-40: a subnormal float */
    float f[5];
    double back[5], d[5];
    elements_from_double(f, x, ELEMENT_F32, 5);
    elements_to_double(back, f, ELEMENT_F32, 5);
    elements_from_double(d, x, ELEMENT_F64, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(f[i] == (float)x[i] && back[i] == (double)f[i]);
        assert_true(d[i] == x[i]);
    }
    assert_int_equal(element_bytes(ELEMENT_F64), 8);
    assert_int_equal(element_bytes(ELEMENT_F32), 4);
    assert_int_equal(element_bytes(ELEMENT_BF16), 2);
    assert_int_equal(element_bytes(ELEMENT_F16), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bf16), cmocka_unit_test(f16), cmocka_unit_test(wide)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
