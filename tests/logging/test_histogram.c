#include "check.h"

#include "logging/histogram.h"

#include <float.h>

static double limits[HISTOGRAM_BUCKETS]; /* computed as in histogram.cc, independent of src/ */

static void make_limits(void) {
    int n = 0;
    double positive[800], v = 1.0e-12;
    while (v < 1.0e20) {
        positive[n++] = v;
        v *= 1.1;
    }
    positive[n++] = DBL_MAX;
    assert_int_equal(2 * n + 1, HISTOGRAM_BUCKETS);
    for (int i = 0; i < n; i++) {
        limits[n - 1 - i] = -positive[i];
        limits[n + 1 + i] = positive[i];
    }
    limits[n] = 0;
}

/* std::upper_bound */
static int bucket_of(double v) {
    int low = 0, high = HISTOGRAM_BUCKETS;
    while (low < high) {
        int middle = (low + high) / 2;
        if (v < limits[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void check_one(histogram *h, double v, int expected) {
    histogram_reset(h);
    histogram_add(h, &v, 1);
    if (h->bucket[expected] != 1)
        fail_msg("%.17g is not in bucket %d", v, expected);
}

static void test_limits(void **state) {
    (void)state;
    histogram h;
    assert_ok(histogram_init(&h));
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        assert_true(histogram_limit(i) == limits[i]);
        if (i + 1 < HISTOGRAM_BUCKETS) /* a limit is the lower end of the next bucket; DBL_MAX has none */
            check_one(&h, limits[i], i + 1);
        if (i > 0)
            check_one(&h, nextafter(limits[i], -INFINITY), i);
        if (i + 1 < HISTOGRAM_BUCKETS)
            check_one(&h, nextafter(limits[i], INFINITY), i + 1);
    }
    check_one(&h, DBL_MAX, HISTOGRAM_BUCKETS - 1);
    check_one(&h, -DBL_MAX, 1);
    check_one(&h, -0.0, bucket_of(0));
    check_one(&h, DBL_MIN / 8, bucket_of(DBL_MIN));
    check_one(&h, -DBL_MIN / 8, bucket_of(-DBL_MIN));
    histogram_deinit(&h);
}

static void test_as_binary_search(void **state) {
    (void)state;
    enum { N = 400000 };
    static double value[N];
    static long long expected[HISTOGRAM_BUCKETS];
    double sum = 0, squares = 0;
    uint64_t x = 88172645463325252u; /* xorshift64 */
    for (int i = 0; i < N; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double u = (double)(x >> 11) / 9007199254740992.0, sign = x & 1 ? -1 : 1;
        value[i] = i % 3 == 0 ? sign * u : sign * exp2(200 * u - 100); /* 2^-100 to 2^100: beyond both ends */
        expected[bucket_of(value[i])]++;
        sum += value[i];
        squares += value[i] * value[i];
    }
    histogram h;
    assert_ok(histogram_init(&h));
    histogram_add(&h, value, N / 3);
    histogram_add(&h, value + N / 3, N - N / 3);
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
        if (h.bucket[b] != expected[b])
            fail_msg("bucket %d holds %lld, expected %lld", b, h.bucket[b], expected[b]);
    assert_true(h.n == N && h.nonfinite == 0);
    assert_near(h.sum / sum, 1, 1e-9);
    assert_near(h.sum_squares / squares, 1, 1e-9);
    histogram_deinit(&h);
}

static void test_nonfinite_and_reset(void **state) {
    (void)state;
    static const double value[] = {NAN, -2, INFINITY, 0.5, -INFINITY, 3, -NAN};
    histogram h;
    assert_ok(histogram_init(&h));
    assert_true(h.n == 0 && h.min == INFINITY && h.max == -INFINITY);
    histogram_add(&h, value, sizeof value / sizeof *value);
    assert_true(h.n == 3 && h.nonfinite == 4);
    assert_true(h.min == -2 && h.max == 3 && h.sum == 1.5 && h.sum_squares == 13.25);
    long long counted = 0;
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
        counted += h.bucket[b];
    assert_int_equal(counted, 3);
    histogram_reset(&h);
    assert_true(h.n == 0 && h.nonfinite == 0 && h.sum == 0 && h.sum_squares == 0 && h.min == INFINITY);
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
        assert_int_equal(h.bucket[b], 0);
    histogram_deinit(&h);
}

static void test_compact(void **state) {
    (void)state;
    static const double value[] = {0, 0, 1, 1.0001, -5, 1e-13};
    static double limit[HISTOGRAM_BUCKETS], count[HISTOGRAM_BUCKETS];
    histogram h;
    assert_ok(histogram_init(&h));
    assert_int_equal(histogram_compact(limit, count, &h), 1);
    assert_true(limit[0] == DBL_MAX && count[0] == 0);
    histogram_add(&h, value, sizeof value / sizeof *value);
    /* empty | -5 | empty | 0, 0, 1e-13 | empty | 1 and 1.0001 */
    static const double expected[] = {0, 1, 0, 3, 0, 2};
    assert_int_equal(histogram_compact(limit, count, &h), 6);
    assert_memory_equal(count, expected, sizeof expected);
    int five = bucket_of(-5), one = bucket_of(1);
    assert_true(limit[0] == limits[five - 1] && limit[1] == limits[five]);
    assert_true(limit[2] == 0 && limit[3] == 1e-12);
    assert_true(limit[4] == limits[one - 1] && limit[5] == limits[one]);
    double ends[] = {DBL_MAX, -DBL_MAX};
    histogram_reset(&h);
    histogram_add(&h, ends, 2);
    assert_int_equal(histogram_compact(limit, count, &h), 4);
    assert_true(count[0] == 0 && count[1] == 1 && count[2] == 0 && count[3] == 1);
    assert_true(limit[0] == -DBL_MAX && limit[3] == DBL_MAX);
    histogram_deinit(&h);
}

int main(void) {
    make_limits();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_as_binary_search),
        cmocka_unit_test(test_nonfinite_and_reset),
        cmocka_unit_test(test_compact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
