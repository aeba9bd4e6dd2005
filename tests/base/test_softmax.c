#include "check.h"

#include "base/softmax.h"

#include <float.h>

enum { CLASSES = 7 };

#define N NAN
#define I INFINITY

/** The rank of every class in a stable descending sort, NaN first; but a NaN is never a correct prediction. */
static void ranks(void **state) {
    (void)state;
    static const struct {
        double logits[CLASSES];
        int rank[CLASSES];
    } c[] = {
        {{1, 2, 3, 4, 5, 6, 7}, {6, 5, 4, 3, 2, 1, 0}},    {{3, 3, 3, 3, 3, 3, 3}, {0, 1, 2, 3, 4, 5, 6}},
        {{0, 9, 9, -0.0, 0, 9, 1}, {4, 0, 1, 5, 6, 2, 3}}, {{-I, 0, I, 0, -I, I, 1}, {5, 3, 0, 4, 6, 1, 2}},
        {{N, N, N, N, N, N, N}, {7, 7, 7, 7, 7, 7, 7}},    {{0, N, 5, I, N, -I, 5}, {5, 7, 3, 2, 7, 6, 4}},
    };
    for (size_t k = 0; k < sizeof c / sizeof *c; k++) {
        float single[CLASSES];
        for (int j = 0; j < CLASSES; j++)
            single[j] = (float)c[k].logits[j];
        for (int j = 0; j < CLASSES; j++) {
            assert_int_equal(softmax_rank_f64(c[k].logits, CLASSES, j), c[k].rank[j]);
            assert_int_equal(softmax_rank_f32(single, CLASSES, j), c[k].rank[j]);
            int before = 0;
            for (int i = 0; i < CLASSES; i++)
                before += softmax_before(c[k].logits, i, j);
            assert_true(c[k].rank[j] == CLASSES ? before < CLASSES : before == c[k].rank[j]);
        }
    }
}

/** The comparison of classes is a strict order, with NaNs too, so it can be used for sorting. */
static void strict_order(void **state) {
    (void)state;
    const double z[CLASSES] = {N, 1, -I, N, I, 1, 0};
    const int expected[CLASSES] = {0, 3, 4, 1, 5, 6, 2};
    for (int i = 0; i < CLASSES; i++)
        for (int j = 0; j < CLASSES; j++)
            assert_int_equal(softmax_before(z, expected[i], expected[j]), i < j);
}

/** mix * CE(a) + (1 - mix) * CE(b), each CE = (1 - s) * -log p_label + s / C * sum_j -log p_j; in fp32 and in double.
 */
static void formula(void **state) {
    (void)state;
    const double z[CLASSES] = {0.5, -1.25, 2, 0, -3, 0.75, 1};
    float single[CLASSES], single_gradient[CLASSES];
    double sum = 0, all = 0, log_p[CLASSES], gradient[CLASSES], largest = 0;
    for (int j = 0; j < CLASSES; j++)
        sum += exp(z[j]);
    for (int j = 0; j < CLASSES; j++) {
        single[j] = (float)z[j];
        log_p[j] = z[j] - log(sum);
        all -= log_p[j];
    }
    assert_near(softmax_sum(&largest, z, CLASSES) * exp(largest), sum, 1e-14);
    for (int round = 0; round < 8; round++) {
        int a = round % CLASSES, b = (3 * round + 1) % CLASSES;
        double m = round % 2 == 0 ? 1 : 0.375, s = round % 4 < 2 ? 0 : 0.1;
        softmax_target t = {a, b, m, s, NULL};
        double of_a = (1 - s) * -log_p[a] + s / CLASSES * all, of_b = (1 - s) * -log_p[b] + s / CLASSES * all;
        double loss = softmax_loss_f64(gradient, z, CLASSES, &t, 3);
        assert_near(loss, m * of_a + (1 - m) * of_b, 1e-14);
        assert_true(softmax_loss_f32(single_gradient, single, CLASSES, &t, 3) == loss); /* these floats are exact */
        assert_true(softmax_loss_f64(NULL, z, CLASSES, &t, 3) == loss);
        for (int j = 0; j < CLASSES; j++) {
            double target = (1 - s) * (m * (j == a) + (1 - m) * (j == b)) + s / CLASSES;
            assert_near(gradient[j], (exp(log_p[j]) - target) * 3, 1e-14);
            assert_true(single_gradient[j] == (float)gradient[j]);
        }
    }
}

/** Large logits lose no digits. A NaN or an infinity in any position makes the loss non-finite. */
static void extremes(void **state) {
    (void)state;
    softmax_target t = {.label = 1, .label_b = 1, .mix = 1};
    double gradient[CLASSES];
    const double large[CLASSES] = {1e5, 1e5 - 1, -1e5, 0, 0, 0, 0}, excluded[CLASSES] = {-I, 0, 0, 0, 0, 0, 0};
    assert_near(softmax_loss_f64(gradient, large, CLASSES, &t, 1), log(1 + exp(1)), 1e-11);
    assert_near(softmax_loss_f64(gradient, excluded, CLASSES, &t, 1), log(6), 1e-14);
    assert_true(gradient[0] == 0);
    for (int at = 0; at < CLASSES; at++) {
        double z[CLASSES] = {0};
        float single[CLASSES] = {0};
        z[at] = NAN;
        single[at] = NAN;
        assert_true(isnan(softmax_loss_f64(gradient, z, CLASSES, &t, 1)) && isnan(gradient[0]));
        assert_true(isnan(softmax_loss_f32(NULL, single, CLASSES, &t, 1)));
        z[at] = INFINITY;
        assert_false(isfinite(softmax_loss_f64(NULL, z, CLASSES, &t, 1)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranks), cmocka_unit_test(strict_order),
                                       cmocka_unit_test(formula), cmocka_unit_test(extremes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
