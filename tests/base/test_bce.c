/* Binary cross-entropy; its figures are compared with PyTorch's and timm's in engine/loss_golden. */
#include "check.h"

#include "base/bce.h"

enum { CLASSES = 3 };

static const bce_options plain = {.sum = true, .threshold = -1};

/** Large logits lose no digits and do not overflow. A NaN or an infinity makes the loss non-finite. */
static void extremes(void **state) {
    (void)state;
    const double z[CLASSES] = {1e4, -1e4, 1e4};
    const softmax_target t = {.label = 0, .label_b = 0, .mix = 1};
    double gradient[CLASSES];
    assert_true(bce_loss_f64(gradient, z, CLASSES, &t, &plain, 2) == 1e4);
    assert_true(gradient[0] == 0 && gradient[1] == 0 && gradient[2] == 2);
    for (int at = 0; at < CLASSES; at++) {
        double odd[CLASSES] = {0};
        odd[at] = NAN;
        assert_true(isnan(bce_loss_f64(gradient, odd, CLASSES, &t, &plain, 1)) && isnan(gradient[at]));
        odd[at] = INFINITY;
        assert_false(isfinite(bce_loss_f64(gradient, odd, CLASSES, &t, &plain, 1)));
    }
}

/** The same values in single precision give the same loss; a threshold is exclusive. */
static void both_types(void **state) {
    (void)state;
    const double z[CLASSES] = {0.5, -1.25, 2}, weight[CLASSES] = {1, 0.5, 2};
    const float single[CLASSES] = {0.5f, -1.25f, 2};
    const softmax_target t = {.label = 0, .label_b = 2, .mix = 0.75, .weight = weight};
    double gradient[CLASSES];
    float single_gradient[CLASSES];
    for (int k = 0; k < 3; k++) {
        bce_options o = {.sum = k == 1, .threshold = k == 2 ? 0.25 : -1};
        double loss = bce_loss_f64(gradient, z, CLASSES, &t, &o, 3);
        assert_true(bce_loss_f32(single_gradient, single, CLASSES, &t, &o, 3) == loss);
        assert_true(bce_loss_f64(NULL, z, CLASSES, &t, &o, 3) == loss);
        for (int j = 0; j < CLASSES; j++)
            assert_true(single_gradient[j] == (float)gradient[j]);
        if (k == 2) /* the target of class 2 is 0.25, which is not above 0.25 */
            assert_near(loss, (log1p(exp(-0.5)) + 0.5 * log1p(exp(-1.25)) + 2 * (2 + log1p(exp(-2)))) / CLASSES, 1e-15);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(extremes), cmocka_unit_test(both_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
