#include "check.h"

#include "base/random.h"

/** The known-answer vectors of Random123 (kat_vectors, "philox4x32 10"). */
static void test_published_vectors(void **state) {
    (void)state;
    static const uint32_t counter[3][4] = {{0, 0, 0, 0},
                                           {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                                           {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    static const uint32_t key[3][2] = {{0, 0}, {0xffffffff, 0xffffffff}, {0xa4093822, 0x299f31d0}};
    static const uint32_t expected[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                            {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                            {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        random_philox(out, counter[i], key[i]);
        assert_memory_equal(out, expected[i], sizeof out);
    }
}

/** A resumed run needs the same numbers as before, so the stream must never change. */
static void test_stream_is_fixed(void **state) {
    (void)state;
    random_stream r = random_open(0x0123456789ABCDEFu, 3, 0x1122334455u, RANDOM_CROP);
    static const uint32_t key[2] = {0x89ABCDEF, 0x01234567};
    for (uint32_t block = 0; block < 2; block++) {
        uint32_t counter[4] = {block, 0x22334455, 0x11, 3 << 8 | RANDOM_CROP}, expected[4];
        random_philox(expected, counter, key);
        for (int i = 0; i < 4; i++)
            assert_int_equal(random_u32(&r), expected[i]);
    }
}

static void test_streams_differ(void **state) {
    (void)state;
    random_stream r[] = {random_open(1, 2, 3, RANDOM_CROP),
                         random_open(2, 2, 3, RANDOM_CROP),
                         random_open(1, 3, 3, RANDOM_CROP),
                         random_open(1, 2, 4, RANDOM_CROP),
                         random_open(1, 2, 3, RANDOM_SHUFFLE),
                         random_open(1ull << 32 | 1, 2, 3, RANDOM_CROP),
                         random_open(1, 2, 1ull << 32 | 3, RANDOM_CROP)};
    uint32_t first[7];
    for (int i = 0; i < 7; i++) {
        first[i] = random_u32(&r[i]);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(first[i], first[k]);
    }
}

/** Chi-squared against equal frequencies. */
static void test_below(void **state) {
    (void)state;
    random_stream r = random_open(1, 0, 0, RANDOM_TEST);
    int count[13] = {0};
    double chi = 0;
    for (int i = 0; i < 130000; i++)
        count[random_below(&r, 13)]++;
    for (int i = 0; i < 13; i++)
        chi += (count[i] - 1e4) * (count[i] - 1e4) / 1e4;
    assert_true(chi < 32.9); /* 12 degrees of freedom, 0.1% */
    assert_int_equal(random_below(&r, 1), 0);
    for (int i = 0; i < 100; i++)
        assert_true(random_below(&r, (1ull << 63) + 1) <= 1ull << 63); /* where half of the draws are rejected */
}

static void test_real_numbers(void **state) {
    (void)state;
    random_stream r = random_open(1, 0, 1, RANDOM_TEST);
    enum { N = 200000 };
    double sum = 0, square = 0, low = 1, high = 0, fourth = 0;
    for (int i = 0; i < N; i++) {
        double u = random_unit(&r);
        sum += u / N;
        low = fmin(low, u);
        high = fmax(high, u);
    }
    assert_true(low >= 0 && low < 1e-4 && high < 1 && high > 1 - 1e-4);
    assert_true(fabs(sum - 0.5) < 4 * 0.2887 / sqrt(N));
    for (int i = 0; i < 1000; i++) {
        double u = random_uniform(&r, -3, 5);
        assert_true(u >= -3 && u < 5);
    }
    sum = 0;
    for (int i = 0; i < N; i++) {
        double z = random_normal(&r);
        assert_true(isfinite(z));
        sum += z / N;
        square += z * z / N;
        fourth += z * z * z * z / N;
    }
    assert_true(fabs(sum) < 4 / sqrt(N));
    assert_true(fabs(square - 1) < 4 * sqrt(2.0 / N));
    assert_true(fabs(fourth - 3) < 4 * sqrt(96.0 / N));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors), cmocka_unit_test(test_stream_is_fixed),
        cmocka_unit_test(test_streams_differ),    cmocka_unit_test(test_below),
        cmocka_unit_test(test_real_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
