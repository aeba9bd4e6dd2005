#include "check.h"

#include "base/memory.h"
#include "report/plot/axis.h"
#include "report/plot/points.h"

static const plot_axis linear = {NULL, false, false, NAN, NAN}, logarithmic = {NULL, true, false, NAN, NAN},
                       epochs = {NULL, false, true, NAN, NAN};

/* Computes the range low..high without a margin and its ticks; compares the labels, separated by spaces. */
static void assert_ticks(const plot_axis *a, double low, double high, int most, const char *expected) {
    plot_ticks t;
    text all = {0};
    plot_range r = plot_range_settle((plot_range){low, high}, a, 0, false);
    plot_ticks_make(&t, r, a, most);
    for (int i = 0; i < t.n; i++) {
        assert_ok(text_printf(&all, "%s%s", i > 0 ? " " : "", t.label[i]));
        assert_true(t.at[i] >= r.low - 1e-6 * fabs(r.low) && t.at[i] <= r.high + 1e-6 * fabs(r.high));
        assert_true(i == 0 || t.at[i] > t.at[i - 1]);
    }
    assert_string_equal(text_string(&all), expected);
    text_deinit(&all);
}

static void test_linear(void **state) {
    (void)state;
    assert_ticks(&linear, 0, 100, 6, "0 20 40 60 80 100");
    assert_ticks(&linear, 0, 1, 6, "0 0.2 0.4 0.6 0.8 1.0");
    assert_ticks(&linear, 0, 0.1, 2, "0 0.05 0.10");
    assert_ticks(&linear, -0.3, 0.3, 6, "-0.3 -0.2 -0.1 0 0.1 0.2 0.3");
    assert_ticks(&linear, -7, -2, 3, "-6 -4 -2");
    assert_ticks(&linear, 2.3, 2.31, 5, "2.300 2.302 2.304 2.306 2.308 2.310");
    assert_ticks(&linear, 0, 9000, 5, "0 2000 4000 6000 8000");
    assert_ticks(&linear, 0, 50000, 5, "0 10k 20k 30k 40k 50k");
    assert_ticks(&linear, 10000, 10500, 3, "10.0k 10.2k 10.4k");
    assert_ticks(&linear, -3e9, 3e9, 3, "-2G 0 2G");
    assert_ticks(&linear, 0, 2e16, 2, "0 1e16 2e16");
    assert_ticks(&linear, 0, 3e-7, 3, "0 1e-7 2e-7 3e-7");
    assert_ticks(&linear, 1e-4, 2e-4, 2, "1.0e-4 1.5e-4 2.0e-4");
}

static void test_constant(void **state) {
    (void)state;
    assert_ticks(&linear, 5, 5, 5, "4.6 4.8 5.0 5.2 5.4");
    assert_ticks(&linear, -5, -5, 2, "-5.5 -5.0 -4.5");
    assert_ticks(&linear, 0, 0, 2, "0 0.5 1.0");
    assert_ticks(&linear, 2.3025851, 2.3025852, 5, "2.1 2.2 2.3 2.4 2.5"); /* rounding errors */
    assert_ticks(&logarithmic, 0.1, 0.1, 6, "0.05 0.1 0.2");
    assert_ticks(&linear, 1e300, -1e300, 2, "0.9 1.0 1.1"); /* an empty range */
    assert_ticks(&logarithmic, INFINITY, -INFINITY, 6, "0.5 1 2");
}

static void test_epochs(void **state) {
    (void)state;
    assert_ticks(&epochs, 0, 1, 8, "0 1");
    assert_ticks(&epochs, 1, 1, 8, "1");
    assert_ticks(&epochs, 0, 0, 8, "0");
    assert_ticks(&epochs, 0.01, 0.98, 8, "0 1"); /* within the first epoch */
    assert_ticks(&epochs, 1, 3, 8, "1 2 3");
    assert_ticks(&epochs, 1, 30, 7, "5 10 15 20 25 30");
    assert_ticks(&epochs, 0, 100, 5, "0 20 40 60 80 100");
    plot_axis fixed = {NULL, false, true, 0.2, 0.8};
    assert_ticks(&fixed, 0, 1, 5, "");
}

static void test_log(void **state) {
    (void)state;
    assert_ticks(&logarithmic, 1e-8, 1, 10, "1e-8 1e-7 1e-6 1e-5 1e-4 1e-3 1e-2 1e-1 1e0");
    assert_ticks(&logarithmic, 1e-8, 1, 4, "1e-6 1e-3 1e0");
    assert_ticks(&logarithmic, 1e-3, 0.1, 6, "0.001 0.01 0.1");
    assert_ticks(&logarithmic, 1e-4, 0.1, 6, "1e-4 1e-3 1e-2 1e-1");
    assert_ticks(&logarithmic, 2e-4, 8e-4, 6, "2e-4 5e-4");
    assert_ticks(&logarithmic, 0.3, 7, 6, "0.5 1 2 5");
    assert_ticks(&logarithmic, 3, 4, 4, "3.0 3.5 4.0"); /* no 1, 2 or 5 in it */
    assert_ticks(&logarithmic, 1e-300, 1e300, 4, "1e-151 1e0 1e151");
    plot_ticks t;
    plot_ticks_make(&t, (plot_range){1e-8, 1}, &logarithmic, 10);
    assert_int_equal(t.minor_n, 8 * 8);
    plot_ticks_make(&t, (plot_range){1e-8, 1}, &logarithmic, 4);
    assert_int_equal(t.minor_n, 6); /* the decades between */
}

static void assert_range(plot_range r, double low, double high) {
    if (fabs(r.low - low) > 1e-9 * fabs(low) || fabs(r.high - high) > 1e-9 * fabs(high))
        fail_msg("%.12g..%.12g instead of %.12g..%.12g", r.low, r.high, low, high);
}

static void test_ranges(void **state) {
    (void)state;
    const plot_range empty = plot_range_empty;
    assert_range(plot_range_settle((plot_range){10, 20}, &linear, 0.05, true), 9.5, 20.5);
    assert_range(plot_range_settle((plot_range){1, 20}, &linear, 0.05, true), 0, 20.95); /* 0 is near */
    assert_range(plot_range_settle((plot_range){0, 20}, &linear, 0.05, false), -1, 21);
    assert_range(plot_range_settle((plot_range){-20, -10}, &linear, 0.05, true), -20.5, -9.5);
    assert_range(plot_range_settle((plot_range){1, 100}, &logarithmic, 0.5, true), 0.1, 1000);
    plot_axis a = {NULL, false, false, 0, 100};
    assert_range(plot_range_settle((plot_range){-5, 300}, &a, 0.05, true), 0, 100);
    assert_range(plot_range_settle(empty, &a, 0.05, true), 0, 100);
    a = (plot_axis){NULL, false, false, 100, 0}; /* reversed */
    assert_range(plot_range_settle((plot_range){3, 4}, &a, 0.05, true), 0, 100);
    a = (plot_axis){NULL, false, false, 5, NAN}; /* above all data */
    assert_range(plot_range_settle((plot_range){1, 2}, &a, 0.05, true), 5, 6);
    a = (plot_axis){NULL, false, false, NAN, 5}; /* below all data */
    assert_range(plot_range_settle((plot_range){7, 8}, &a, 0.05, true), 4, 5);
    a = (plot_axis){NULL, true, false, 0, 10}; /* 0 is not on a log axis */
    assert_range(plot_range_settle((plot_range){1, 100}, &a, 0, true), 1, 10);
    double huge[] = {-1.7e308, 1.7e308};
    plot_range r = plot_range_settle((plot_range){huge[0], huge[1]}, &linear, 0.05, true);
    assert_true(isfinite(r.high - r.low));
}

static void test_scale(void **state) {
    (void)state;
    plot_scale s = plot_scale_make((plot_range){0, 10}, false, 100, 300);
    assert_float_equal(plot_scale_pixel(&s, 5), 200, 1e-9);
    assert_float_equal(plot_scale_value(&s, 250), 7.5, 1e-9);
    assert_float_equal(plot_scale_pixel(&s, 1e300), 1e6, 0);
    s = plot_scale_make((plot_range){1e-4, 1}, true, 300, 100); /* y increases upwards */
    assert_float_equal(plot_scale_pixel(&s, 1e-2), 200, 1e-9);
    assert_float_equal(plot_scale_value(&s, 150), 0.1, 1e-12);
    assert_false(plot_usable(0, true) || plot_usable(-1, true) || plot_usable(NAN, false) || plot_usable(INFINITY, 0));
    assert_true(plot_usable(0, false) && plot_usable(1e-300, true));
}

static void test_gaps(void **state) {
    (void)state;
    const double x[] = {0, 1, 2, NAN, 4, 5, INFINITY}, y[] = {NAN, 1, 1, 1, NAN, -INFINITY, 1};
    const double y3[] = {NAN, 1, NAN, NAN, 2, 3, NAN}, x3[] = {0, 1, 2, 3, 4, 5, 6};
    plot_scale sx = plot_scale_make((plot_range){0, 10}, false, 0, 100), sy = sx;
    plot_points p = {0};
    assert_ok(plot_points_make(&p, &(plot_series){NULL, x, y, NULL, 7, PLOT_LINE, -1}, &sx, &sy));
    assert_int_equal(p.n, 2);
    assert_ok(plot_points_make(&p, &(plot_series){NULL, x3, y3, NULL, 7, PLOT_LINE, -1}, &sx, &sy));
    assert_int_equal(p.n, 4);
    assert_true(isnan(p.at[1].x));
    assert_float_equal(p.at[2].x, 40, 1e-9);
    assert_float_equal(p.at[3].y, 30, 1e-9);
    sy = plot_scale_make((plot_range){1, 10}, true, 0, 100);
    const double zero[] = {0, -1, 0};
    assert_ok(plot_points_make(&p, &(plot_series){NULL, x3, zero, NULL, 3, PLOT_LINE, -1}, &sx, &sy));
    assert_int_equal(p.n, 0);
    plot_points_deinit(&p);
}

/* Thinning a million points keeps a spike and few other points. */
static void test_thins(void **state) {
    (void)state;
    enum { N = 1000000 };
    double *x = NULL, *y = NULL, *y2 = NULL;
    assert_ok(memory_zeroed(&x, N, sizeof *x));
    assert_ok(memory_zeroed(&y, N, sizeof *y));
    assert_ok(memory_zeroed(&y2, N, sizeof *y2));
    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = i == 123456 ? 10 : i == 654321 ? -10 : (i % 7) * 0.01;
        y2[i] = y[i] + 1;
    }
    for (int i = 300000; i < 400000; i++)
        y[i] = NAN;
    y[500] = NAN; /* within a pixel */
    plot_scale sx = plot_scale_make((plot_range){0, N}, false, 50, 750),
               sy = plot_scale_make((plot_range){-10, 10}, false, 400, 0);
    plot_points p = {0};
    assert_ok(plot_points_make(&p, &(plot_series){NULL, x, y, NULL, N, PLOT_LINE, -1}, &sx, &sy));
    double least = INFINITY, most = -INFINITY;
    int gaps = 0;
    for (size_t i = 0; i < p.n; i++) {
        gaps += isnan(p.at[i].x) != 0;
        least = fmin(least, p.at[i].y);
        most = fmax(most, p.at[i].y);
        assert_true(i == 0 || !(p.at[i].x < p.at[i - 1].x));
    }
    assert_true(p.n > 630 && p.n < 4 * 702);
    assert_int_equal(gaps, 1);
    assert_true(least == 0 && most == 400);
    assert_float_equal(p.at[p.n - 1].x, plot_scale_pixel(&sx, N - 1), 1e-9);
    assert_ok(plot_points_make(&p, &(plot_series){NULL, x, y, y2, N, PLOT_BAND, -1}, &sx, &sy));
    assert_true(p.n > 630 && p.n < 2 * 702);
    sx = plot_scale_make((plot_range){1, 1000}, true, 50, 750); /* most points are outside the log axis */
    assert_ok(plot_points_make(&p, &(plot_series){NULL, x, y, NULL, N, PLOT_LINE, -1}, &sx, &sy));
    assert_true(p.n > 500 && p.n < 4 * 702);
    plot_points_deinit(&p);
    free(x);
    free(y);
    free(y2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear), cmocka_unit_test(test_constant), cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_log),    cmocka_unit_test(test_ranges),   cmocka_unit_test(test_scale),
        cmocka_unit_test(test_gaps),   cmocka_unit_test(test_thins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
