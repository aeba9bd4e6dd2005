/* The order of an epoch: a permutation that differs for each epoch and seed, and that must never change. */
#include "check.h"

#include "loader/batch.h"
#include "loader/sampler.h"

static void check_permutation(const uint32_t *order, uint32_t n) {
    uint8_t *seen = calloc(n, 1);
    assert_non_null(seen);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(order[i] < n);
        assert_int_equal(seen[order[i]]++, 0);
    }
    free(seen);
}

static void test_known(void **state) {
    (void)state;
    /* must never change, because a resumed run needs it */
    static const uint32_t first[10] = {0, 5, 6, 3, 4, 7, 8, 9, 2, 1}, second[10] = {8, 3, 2, 5, 1, 6, 4, 9, 7, 0};
    uint32_t order[10];
    sampler_epoch(order, 10, 1, 0, true);
    assert_memory_equal(order, first, sizeof order);
    sampler_epoch(order, 10, 0xFEDCBA9876543210u, 99, true);
    assert_memory_equal(order, second, sizeof order);
}

static void test_permutation(void **state) {
    (void)state;
    static uint32_t a[5000], b[5000];
    sampler_epoch(a, 5000, 3, 0, false);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(a[i], i);
    for (uint32_t n = 0; n < 20; n++) {
        sampler_epoch(a, n, 3, n, true);
        check_permutation(a, n);
    }
    sampler_epoch(a, 5000, 3, 0, true);
    check_permutation(a, 5000);
    sampler_epoch(b, 5000, 3, 0, true);
    assert_memory_equal(a, b, sizeof a);
    sampler_epoch(b, 5000, 3, 1, true);
    assert_memory_not_equal(a, b, sizeof a);
    sampler_epoch(b, 5000, 4, 0, true);
    assert_memory_not_equal(a, b, sizeof a);
}

/** All 24 orders of 4 are equally frequent: chi-squared with 23 degrees of freedom, 0.1% at 49.7. */
static void test_uniform(void **state) {
    (void)state;
    int count[256] = {0};
    double chi = 0;
    for (uint32_t epoch = 0; epoch < 24000; epoch++) {
        uint32_t order[4];
        sampler_epoch(order, 4, 5, epoch, true);
        count[order[0] * 64 + order[1] * 16 + order[2] * 4 + order[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (count[i] > 0)
            chi += (count[i] - 1000.0) * (count[i] - 1000.0) / 1000;
    assert_true(chi < 49.7);
}

static void test_synthetic_batch(void **state) {
    (void)state;
    batch a, b;
    assert_ok(batch_init(&a, 5, 7, 9));
    assert_ok(batch_init(&b, 8, 7, 9));
    assert_int_equal((uintptr_t)a.pixels % 64, 0);
    batch_synthetic(&a, 5, 3, 42, 6);
    batch_synthetic(&b, 5, 3, 42, 6);
    assert_int_equal(a.n, 5);
    assert_memory_equal(a.pixels, b.pixels, 5 * 7 * 9 * 3);
    assert_memory_equal(a.label, b.label, 5 * sizeof *a.label);
    double mean = 0;
    for (int i = 0; i < 5 * 7 * 9 * 3; i++)
        mean += a.pixels[i] / (5.0 * 7 * 9 * 3);
    assert_true(mean > 110 && mean < 145);
    for (int i = 0; i < 5; i++) {
        assert_in_range(a.label[i], 0, 2);
        assert_int_equal(a.label_b[i], a.label[i]);
        assert_true(a.mix[i] == 1.0f);
        assert_int_equal(a.index[i], 30 + i);
    }
    batch_synthetic(&b, 5, 3, 42, 7);
    assert_memory_not_equal(a.pixels, b.pixels, 5 * 7 * 9 * 3);
    batch_synthetic(&b, 5, 3, 43, 6);
    assert_memory_not_equal(a.pixels, b.pixels, 5 * 7 * 9 * 3);
    batch_deinit(&a);
    batch_deinit(&b);
    assert_fails(E_NOMEM, "2000000000 images", batch_init(&a, 2000000000, 30000, 30000));
    assert_null(a.pixels);
}

/* The first images of the order, each in `repeats` consecutive batches. */
static void test_repeats(void **state) {
    (void)state;
    enum { N = 1000, REPEATS = 4, GROUP = 16 };
    static uint32_t plain[N], order[N];
    sampler_epoch(plain, N, 5, 2, true);
    sampler_epoch(order, N, 5, 2, true);
    sampler_repeat(order, N, 1, GROUP);
    assert_memory_equal(order, plain, sizeof plain);
    sampler_repeat(order, N, REPEATS, GROUP);
    for (int i = 0; i < N; i++) {
        int number = i / GROUP, at = i % GROUP;
        assert_int_equal(order[i], plain[number / REPEATS * GROUP + at]);
    }
    int times[N] = {0}, seen = 0;
    for (int i = 0; i < N; i++)
        seen += times[order[i]]++ == 0;
    assert_in_range(seen, N / REPEATS, N / REPEATS + GROUP);
}

/* torch.utils.data.WeightedRandomSampler(weights, n) draws image i with weights[i] / sum(weights); weights here are
 * count^-balance. Chi-squared over all images, whose standard deviation is sqrt(2 * degrees of freedom). */
static void test_balanced(void **state) {
    (void)state;
    enum { N = 60, CLASSES = 5, EPOCHS = 2000 };
    static const int64_t class_n[CLASSES] = {40, 0, 1, 19, 0};
    static const double balances[] = {0.25, 0.5, 1};
    for (size_t k = 0; k < sizeof balances / sizeof *balances; k++) {
        double weight[N], sum = 0, chi = 0;
        int count[N] = {0};
        class_share share[CLASSES];
        uint32_t order[N];
        for (int i = 0; i < N; i++)
            sum += weight[i] = pow(i < 40 ? 40 : i < 41 ? 1 : 19, -balances[k]);
        sampler_shares(share, class_n, CLASSES, balances[k]);
        for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
            sampler_balanced(order, N, share, CLASSES, 5, epoch);
            for (int i = 0; i < N; i++) {
                assert_true(order[i] < N);
                count[order[i]]++;
            }
        }
        for (int i = 0; i < N; i++) {
            double expected = (double)N * EPOCHS * weight[i] / sum;
            chi += (count[i] - expected) * (count[i] - expected) / expected;
        }
        assert_true(chi < N - 1 + 4 * sqrt(2.0 * (N - 1)));
    }
}

static void test_balanced_known(void **state) {
    (void)state;
    /* must never change, because a resumed run needs it */
    static const uint32_t known[12] = {6, 6, 9, 2, 6, 9, 6, 4, 5, 8, 8, 9};
    static const int64_t class_n[3] = {6, 1, 3};
    class_share share[3];
    uint32_t order[12], other[12];
    sampler_shares(share, class_n, 3, 1);
    sampler_balanced(order, 12, share, 3, 0xFEDCBA9876543210u, 99);
    assert_memory_equal(order, known, sizeof order);
    sampler_balanced(other, 12, share, 3, 0xFEDCBA9876543210u, 98);
    assert_memory_not_equal(order, other, sizeof order);
    sampler_balanced(other, 12, share, 3, 1, 99);
    assert_memory_not_equal(order, other, sizeof order);
}

/* The images of each host against a count of single positions, also with a short last batch and an incomplete step. */
static void test_host_images(void **state) {
    (void)state;
    static const int of[] = {0, 0, 2, 1, 1, 0, 2};
    const sampler_hosts s = {.of = of, .step_n = 7, .n = 3};
    enum { BATCH = 4 };
    for (int n = 0; n < 100; n++) {
        for (int batches = 0; batches <= n / BATCH + 3; batches++) {
            int count[3] = {0};
            for (int p = 0; p < n && p < batches * BATCH; p++)
                count[of[p / BATCH % 7]]++;
            for (int host = 0; host < 3; host++)
                assert_int_equal(sampler_host_images(&s, host, batches, BATCH, n), count[host]);
        }
    }
}

/* Every image once, in the position of a batch of its host, and each part in order. */
static void test_deal(void **state) {
    (void)state;
    enum { BATCH = 4, N = 90 };
    static const int of[] = {0, 0, 2, 1, 1, 0, 2};
    const sampler_hosts s = {.of = of, .step_n = 7, .n = 3};
    uint32_t parts[N], order[N], next[3];
    int64_t first = 0;
    for (uint32_t i = 0; i < N; i++)
        parts[i] = i;
    for (int host = 0; host < 3; host++) {
        next[host] = (uint32_t)first;
        first += sampler_host_images(&s, host, N, BATCH, N);
    }
    assert_int_equal(first, N);
    sampler_deal(order, parts, N, BATCH, &s);
    for (int p = 0; p < N; p++)
        assert_int_equal(order[p], next[of[p / BATCH % 7]]++);
    check_permutation(order, N);
}

static void test_buffered_known(void **state) {
    (void)state;
    /* must never change, because a resumed run needs it */
    static const uint32_t known[2][10] = {{2, 0, 4, 6, 5, 7, 3, 9, 1, 8}, {2, 4, 0, 3, 6, 7, 8, 9, 5, 1}};
    for (int host = 0; host < 2; host++) {
        uint32_t order[10];
        sampler_epoch(order, 10, 1, 0, false);
        sampler_buffered(order, 10, 7, 3, host, 4);
        assert_memory_equal(order, known[host], sizeof order);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),           cmocka_unit_test(test_permutation), cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_synthetic_batch), cmocka_unit_test(test_repeats),     cmocka_unit_test(test_balanced),
        cmocka_unit_test(test_balanced_known),  cmocka_unit_test(test_host_images), cmocka_unit_test(test_deal),
        cmocka_unit_test(test_buffered_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
