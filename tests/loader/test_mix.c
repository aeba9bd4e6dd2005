/* mixup and cutmix: pixels and labels against the definition, Beta's moments. */
#include "check.h"

#include "loader/mix.h"

#include <stdbool.h>

enum { N = 5, H = 24, W = 20, IMAGE = H * W * 3 };

static void fill(batch *b, uint8_t *copy) {
    b->n = N;
    for (int i = 0; i < N * IMAGE; i++)
        copy[i] = b->pixels[i] = (uint8_t)(i * 37 + i / IMAGE * 11);
    for (int i = 0; i < N; i++)
        b->label[i] = b->label_b[i] = i, b->mix[i] = 1;
}

/* The weight of image i's own label; its two labels are its own and that of the previous image; the larger weight comes
 * first. */
static double own_weight(const batch *b, int i) {
    int before = (i + N - 1) % N;
    assert_true(b->mix[i] >= 0.5f);
    assert_true((b->label[i] == i && b->label_b[i] == before) || (b->label[i] == before && b->label_b[i] == i));
    return b->label[i] == i ? (double)b->mix[i] : 1 - (double)b->mix[i];
}

static void test_mixup(void **state) {
    (void)state;
    static uint8_t x[N * IMAGE];
    batch b;
    assert_ok(batch_init(&b, N, H, W));
    for (uint64_t k = 0; k < 8; k++) {
        random_stream r = random_open(3, 0, k, RANDOM_MIX);
        fill(&b, x);
        mix_batch(&b, 0.2, 0, &r);
        for (int i = 0; i < N * IMAGE; i++) {
            double w = own_weight(&b, i / IMAGE), before = x[(i + (N - 1) * IMAGE) % (N * IMAGE)];
            assert_near(b.pixels[i], w * x[i] + (1 - w) * before, 0.5 + 1e-4);
        }
    }
    batch_deinit(&b);
}

static void test_cutmix(void **state) {
    (void)state;
    static uint8_t x[N * IMAGE];
    batch b;
    assert_ok(batch_init(&b, N, H, W));
    for (uint64_t k = 0; k < 20; k++) {
        random_stream r = random_open(3, 0, k, RANDOM_MIX);
        fill(&b, x);
        mix_batch(&b, 0, 1, &r);
        for (int i = 0; i < N; i++) {
            int own = 0, left = W, right = -1, top = H, bottom = -1;
            for (int p = 0; p < H * W; p++) {
                const uint8_t *now = b.pixels + i * IMAGE + 3 * p;
                bool is_own = memcmp(now, x + i * IMAGE + 3 * p, 3) == 0;
                own += is_own;
                if (is_own)
                    continue;
                assert_memory_equal(now, x + (i + N - 1) % N * IMAGE + 3 * p, 3);
                left = p % W < left ? p % W : left;
                right = p % W > right ? p % W : right;
                top = p / W < top ? p / W : top;
                bottom = p / W > bottom ? p / W : bottom;
            }
            if (own < H * W) /* one rectangle */
                assert_int_equal((right - left + 1) * (bottom - top + 1), H * W - own);
            assert_near(own_weight(&b, i), (double)own / (H * W), 1e-6);
        }
    }
    batch_deinit(&b);
}

/* Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)). */
static void test_beta(void **state) {
    (void)state;
    static const double alpha[] = {0.05, 0.2, 1, 3};
    enum { DRAWS = 40000 };
    for (size_t k = 0; k < sizeof alpha / sizeof *alpha; k++) {
        random_stream r = random_open(1, 0, k, RANDOM_MIX);
        double sum = 0, squares = 0;
        for (int i = 0; i < DRAWS; i++) {
            double v = mix_beta(&r, alpha[k]);
            assert_true(v >= 0 && v <= 1);
            sum += v;
            squares += v * v;
        }
        double mean = sum / DRAWS, variance = squares / DRAWS - mean * mean;
        assert_near(mean, 0.5, 0.012);
        assert_near(variance, 1 / (4 * (2 * alpha[k] + 1)), 0.004);
    }
}

/* tests/golden/mix_make.py: pixels within half a step of 8 bits, because linnet mixes before normalisation; soft
 * targets.
 */
static void test_as_torchvision(void **state) {
    (void)state;
    enum { IMAGES = 4, ROWS = 7, COLUMNS = 5, CLASSES = 6, BYTES = ROWS * COLUMNS * 3 };
    FILE *f = fopen(SOURCE_DIR "/tests/golden/mix_golden.txt", "r");
    char kind[16];
    double lambda = 0, expected = 0;
    int x = 0, y = 0, cases = 0;
    batch b;
    assert_non_null(f);
    assert_ok(batch_init(&b, IMAGES, ROWS, COLUMNS));
    for (; fscanf(f, "%15s %lf", kind, &lambda) == 2; cases++) {
        b.n = IMAGES;
        for (int i = 0; i < IMAGES * BYTES; i++)
            b.pixels[i] = (uint8_t)(i * 37 + i / BYTES * 11);
        for (int i = 0; i < IMAGES; i++)
            b.label[i] = b.label_b[i] = i, b.mix[i] = 1;
        if (strcmp(kind, "mixup") == 0) {
            mix_up(&b, lambda);
        } else {
            assert_int_equal(fscanf(f, "%d %d", &x, &y), 2);
            mix_cut(&b, lambda, x, y);
        }
        for (int i = 0; i < IMAGES * CLASSES; i++) {
            int image = i / CLASSES, class = i % CLASSES;
            double weight = (double)b.mix[image];
            assert_int_equal(fscanf(f, "%lf", &expected), 1);
            assert_near((b.label[image] == class) * weight + (b.label_b[image] == class) * (1 - weight), expected,
                        1e-5);
        }
        for (int i = 0; i < IMAGES * BYTES; i++) {
            assert_int_equal(fscanf(f, "%lf", &expected), 1);
            assert_near(b.pixels[i], expected, 0.52); /* the file has four digits, linnet's lambda has 16 bits */
        }
    }
    assert_int_equal(cases, 10);
    batch_deinit(&b);
    fclose(f);
}

static void test_off(void **state) {
    (void)state;
    static uint8_t x[N * IMAGE];
    batch b;
    random_stream r = random_open(3, 0, 0, RANDOM_MIX);
    assert_ok(batch_init(&b, N, H, W));
    fill(&b, x);
    mix_batch(&b, 0, 0, &r);
    assert_memory_equal(b.pixels, x, sizeof x);
    assert_true(b.mix[0] == 1);
    batch_deinit(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixup),          cmocka_unit_test(test_cutmix), cmocka_unit_test(test_beta),
        cmocka_unit_test(test_as_torchvision), cmocka_unit_test(test_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
