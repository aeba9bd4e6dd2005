/** The arithmetic of the LR range test against Lightning's own code (lr_curve_golden.txt, made by lr_curve_make.py). */
#include "check.h"

#include "training/lr_curve.h"

static double number(FILE *f) {
    char word[64];
    double value = 0;
    assert_int_equal(fscanf(f, "%63s", word), 1);
    assert_int_equal(sscanf(word, "%lf", &value), 1);
    return value;
}

static void same(double got, double want) {
    if (isfinite(want))
        assert_near(got, want, 1e-13 * fabs(want));
    else
        assert_true(isnan(want) ? isnan(got) : got == want);
}

static void one_case(FILE *f, const char *name, double low, double high, int steps, double stop) {
    int losses = (int)number(f), used = (int)number(f), suggested = (int)number(f);
    lr_curve c;
    assert_ok(lr_curve_init(&c, steps));
    for (int i = 0; i < losses; i++) {
        double loss = number(f), slope = 0;
        if (i >= used)
            continue;
        double lr = number(f), smoothed = number(f);
        bool end = lr_curve_add(&c, lr_curve_rate(low, high, steps, i), loss, stop);
        same(c.lr[i], lr);
        same(c.smoothed[i], smoothed);
        assert_true(c.loss[i] == loss || isnan(loss));
        if (end != (i == used - 1))
            fail_msg("%s: the sweep of %d steps ends at %d", name, used, i);
        if (!end)
            continue;
        int at = lr_curve_suggest(&slope, c.smoothed, LR_CURVE_SKIP, c.n);
        if (at != suggested)
            fail_msg("%s: suggests %d, Lightning %d", name, at, suggested);
    }
    assert_int_equal(c.n, used);
    lr_curve_deinit(&c);
}

static void equals_lightning(void **state) {
    (void)state;
    char name[32];
    int cases = 0;
    FILE *f = fopen(SOURCE_DIR "/tests/training/lr_curve_golden.txt", "r");
    assert_non_null(f);
    for (; fscanf(f, "%31s", name) == 1; cases++) {
        double low = number(f), high = number(f);
        int steps = (int)number(f);
        one_case(f, name, low, high, steps, number(f));
    }
    assert_int_equal(cases, 13);
    fclose(f);
}

/** A NaN in the middle does not shift the suggestion (in Lightning it does). */
static void nan_in_the_middle(void **state) {
    (void)state;
    double y[30], slope = 0;
    for (int i = 0; i < 30; i++)
        y[i] = i < 20 ? 2 : i < 25 ? 2 - 0.1 * (i - 19) * (i - 19) : -0.5;
    int at = lr_curve_suggest(&slope, y, LR_CURVE_SKIP, 30);
    assert_int_equal(at, 23);
    y[12] = NAN;
    assert_int_equal(lr_curve_suggest(&slope, y, LR_CURVE_SKIP, 30), 23);
    y[14] = -5; /* values before the window are ignored */
    assert_int_equal(lr_curve_suggest(&slope, y, LR_CURVE_SKIP, 30), 13);
    assert_int_equal(lr_curve_suggest(&slope, y, 16, 30), 23);
}

/** The valley against fastai's own code (lr_valley_golden.txt, made by lr_valley_make.py). */
static void valley_equals_fastai(void **state) {
    (void)state;
    double y[256];
    int cases = 0, n = 0, at = 0, wanted = 0;
    FILE *f = fopen(SOURCE_DIR "/tests/training/lr_valley_golden.txt", "r");
    assert_non_null(f);
    for (; fscanf(f, "%d %d", &n, &wanted) == 2; cases++) {
        assert_in_range(n, 1, 256);
        for (int i = 0; i < n; i++)
            y[i] = number(f);
        assert_ok(lr_curve_valley(&at, y, n));
        if (at != wanted)
            fail_msg("case %d: suggests %d, fastai %d", cases, at, wanted);
    }
    assert_int_equal(cases, 18);
    fclose(f);
    /* points that are not finite do not count; too few points */
    for (int i = 0; i < 30; i++)
        y[i] = i % 2 ? (i % 4 == 1 ? NAN : INFINITY) : 3 - 0.1 * i;
    assert_ok(lr_curve_valley(&at, y, 30));
    assert_in_range(at, 8, 16);
    assert_int_equal(at % 2, 0);
    assert_ok(lr_curve_valley(&at, y, LR_CURVE_VALLEY_END + 1));
    assert_int_equal(at, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_lightning), cmocka_unit_test(nan_in_the_middle),
                                       cmocka_unit_test(valley_equals_fastai)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
