/* The content of charts: the position of a change of the learning rate, the left end of the LR finder's line, space for
 * names. */
#include "folder_fixture.h"

#include "base/file.h"
#include "report/charts.h"

/* Writes epochs of 450 steps, with the rate of every 50th step. */
static void put_rates(double (*rate)(int step), int epochs) {
    char path[PATH_BYTES];
    text t = {0};
    assert_ok(text_printf(&t, "epoch,step,lr-SGD,val_loss\n"));
    for (int e = 0; e < epochs; e++) {
        for (int s = 49; s < 450; s += 50)
            assert_ok(text_printf(&t, "%d,%d,%.9g,\n", e, 450 * e + s, rate(450 * e + s)));
        assert_ok(text_printf(&t, "%d,%d,,1\n", e, 450 * e + 449));
    }
    assert_ok(path_join(path, folder, "metrics.csv"));
    assert_ok(file_write_atomic(path, text_string(&t), t.n));
    text_deinit(&t);
}

static double by_epoch(int step) { return step < 450 ? 0.1 : step < 900 ? 0.01 : step < 1350 ? 0.001 : 0.0001; }
static double warm_up(int step) { return step < 900 ? 0.1 * (step + 1) / 900 : 0.1; }

/* Calls `check` with the line of the rates. */
static void with_line(double (*rate)(int step), void (*check)(const double *x, const double *y, size_t n)) {
    report_run run = {.logs = folder};
    run_data d;
    picture p = {0};
    double *x, *y;
    size_t n = 0;
    put_rates(rate, 4);
    assert_ok(run_load(&d, &run));
    assert_ok(rate_line(&x, &y, &n, &p, &d.step[STEP_LR]));
    check(x, y, n);
    picture_deinit(&p);
    run_unload(&d);
}

static void check_jumps(const double *x, const double *y, size_t n) {
    int jumps = 0;
    for (size_t i = 1; i < n; i++) {
        assert_true(x[i] >= x[i - 1]);
        if (y[i] != y[i - 1]) {
            jumps++;
            assert_near(x[i - 1], jumps, 1e-12);
            assert_near(x[i], jumps, 1e-12);
        }
    }
    assert_int_equal(jumps, 3);
}

static void check_ramp(const double *x, const double *y, size_t n) {
    assert_int_equal(n, 36); /* no step at the end of the first epoch */
    for (size_t i = 0; i < n; i++)
        assert_near(y[i], x[i] < 2 ? 0.05 * x[i] : 0.1, 1e-8);
}

/* An epoch schedule reduces the rate at the end of an epoch; a warm-up is a straight line. */
static void test_rate(void **state) {
    (void)state;
    with_line(by_epoch, check_jumps);
    with_line(warm_up, check_ramp);
}

/* A constant loss gives a horizontal line from the first point on. */
static void test_finder(void **state) {
    (void)state;
    enum { N = 60 };
    double smoothed[N], average = 0, *line;
    picture p = {0};
    for (int i = 0; i < N; i++) {
        average = 0.98 * average + 0.02 * 2.3;
        smoothed[i] = average / (1 - pow(0.98, i + 2)); /* as Lightning computes it */
    }
    assert_true(smoothed[0] < 1.2);
    assert_ok(finder_line(&line, &p, smoothed, N));
    for (int i = 0; i < N; i++)
        assert_near(line[i], 2.3, 1e-12);
    picture_deinit(&p);
}

static void test_worst(void **state) {
    (void)state;
    const worst_image brief[] = {{.truth = "cat", .predicted = "dog"}, {.truth = "owl", .predicted = "cat"}},
                      synset[] = {{.truth = "n01440764", .predicted = "n01443537"}},
                      words[] = {{.truth = "cat", .predicted = "black-footed ferret"}},
                      accents[] = {{.truth = "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", .predicted = "a"}};
    assert_int_equal(worst_columns(brief, 2, 6), 6);
    assert_int_equal(worst_columns(brief, 2, 2), 2);
    assert_int_equal(worst_columns(synset, 1, 6), 5);
    assert_int_equal(worst_columns(words, 1, 6), 3);
    assert_int_equal(worst_columns(accents, 1, 6), 6);
}

static unsigned size_at(const text *png, size_t at) {
    const unsigned char *p = (const unsigned char *)png->data + at;
    return (unsigned)p[0] << 24 | (unsigned)p[1] << 16 | (unsigned)p[2] << 8 | p[3];
}

/* The panels of a chart for narrow screens are below each other. */
static void test_narrow(void **state) {
    (void)state;
    static const double x[] = {1, 2};
    plot_series s = {"a", x, x, NULL, 2, PLOT_LINE, 0};
    plot_chart two[] = {{.title = "b", .series = &s, .series_n = 1}, {.title = "c", .series = &s, .series_n = 1}};
    text png = {0};
    if (plot_unavailable() != NULL)
        return;
    assert_ok(plot_charts_narrow(&png, two, 2));
    assert_int_equal(size_at(&png, 16), PLOT_NARROW);
    assert_int_equal(size_at(&png, 20), 2 * PLOT_HEIGHT);
    text_deinit(&png);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rate, setup, teardown),
        cmocka_unit_test(test_finder),
        cmocka_unit_test(test_worst),
        cmocka_unit_test(test_narrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
