#define _DEFAULT_SOURCE
#include "check.h"

#include "logging/progress.h"

#include <unistd.h>

typedef struct lines {
    int n;
    char last[512];
    bool final;
} lines;

static void sink(void *context, const char *line, bool final) {
    lines *l = context;
    l->n++;
    snprintf(l->last, sizeof l->last, "%s", line);
    l->final = final;
}

static const progress_state half = {
    .done = 512, .loss = 2.31, .top1 = 0.452, .images_per_second = 1812, .wait_share = 0.03, .remaining_seconds = 130};

static progress *begun(lines *l, bool terminal, int width) {
    progress *p = NULL;
    *l = (lines){0};
    assert_ok(progress_open(&p, &(progress_options){.sink = sink, .context = l, .terminal = terminal, .width = width}));
    progress_begin(p, "train", 2, 100, 0, 1252);
    return p;
}

static void assert_line(bool terminal, int width, const progress_state *s, const char *expected) {
    lines l;
    char line[512];
    progress *p = begun(&l, terminal, width);
    progress_format(line, sizeof line, p, s);
    assert_string_equal(line, expected);
    progress_close(p);
}

static void test_formats(void **state) {
    (void)state;
    assert_line(true, 120, &half,
                "epoch 3/100 train [========>            ] 512/1,252  loss 2.310  top-1 45.2%  1,812 img/s"
                "  data wait 3%  eta 2 min 10 s");
    assert_line(false, 0, &half,
                "epoch 3/100 train 512/1,252 (41%)  loss 2.310  top-1 45.2%  1,812 img/s  data wait 3%"
                "  eta 2 min 10 s");
    progress_state s = {
        .done = 0, .loss = NAN, .top1 = NAN, .images_per_second = 0, .wait_share = NAN, .remaining_seconds = NAN};
    assert_line(false, 0, &s, "epoch 3/100 train 0/1,252 (0%)");
    s = (progress_state){.done = 5000,
                         .loss = 12345.678,
                         .top1 = 1,
                         .images_per_second = 3.14,
                         .wait_share = 1.7,
                         .remaining_seconds = -1};
    assert_line(false, 0, &s,
                "epoch 3/100 train 1,252/1,252 (100%)  loss 1.23e+04  top-1 100.0%  3.1 img/s  data wait 100%");
    s = (progress_state){.done = -5,
                         .loss = INFINITY,
                         .top1 = NAN,
                         .images_per_second = INFINITY,
                         .wait_share = NAN,
                         .remaining_seconds = INFINITY};
    assert_line(false, 0, &s, "epoch 3/100 train 0/1,252 (0%)  loss inf");
}

/* The time of the whole run is omitted before the accuracy and the time of the epoch. */
static void test_run(void **state) {
    (void)state;
    progress_state s = half;
    s.run_seconds = 36000;
    assert_line(false, 0, &s,
                "epoch 3/100 train 512/1,252 (41%)  loss 2.310  top-1 45.2%  1,812 img/s  data wait 3%"
                "  eta 2 min 10 s  run 10 h 00 min");
    assert_line(true, 86, &s, "epoch 3/100 train 512/1,252  loss 2.310  top-1 45.2%  eta 2 min 10 s  run 10 h 00 min");
    assert_line(true, 70, &s, "epoch 3/100 train 512/1,252  loss 2.310  top-1 45.2%  eta 2 min 10 s");
}

/* Several ranks; the slowest rank is the first part to be omitted. */
static void test_ranks(void **state) {
    (void)state;
    progress_state s = half;
    s.ranks = 4;
    s.slowest = 3;
    s.comm_share = 0.041;
    s.excess = 0.12;
    assert_line(false, 0, &s,
                "epoch 3/100 train 512/1,252 (41%)  loss 2.310  top-1 45.2%  1,812 img/s  data wait 3%  comm 4%"
                "  slowest rank 3 (+12%)  eta 2 min 10 s");
    assert_line(true, 112, &s,
                "epoch 3/100 train 512/1,252  loss 2.310  top-1 45.2%  1,812 img/s  data wait 3%  comm 4%"
                "  eta 2 min 10 s");
    s.slowest = -1;
    assert_line(false, 0, &s,
                "epoch 3/100 train 512/1,252 (41%)  loss 2.310  top-1 45.2%  1,812 img/s  data wait 3%"
                "  eta 2 min 10 s");
}

/* A terminal line never uses the last column, and the most important parts are omitted last. */
static void test_fits(void **state) {
    (void)state;
    for (int width = 1; width < 200; width++) {
        lines l;
        char line[512];
        progress *p = begun(&l, true, width);
        progress_format(line, sizeof line, p, &half);
        assert_true((int)strlen(line) < width);
        for (const char *c = line; *c != 0; c++)
            assert_true(*c >= ' ' && *c < 127);
        if (width > 42)
            assert_non_null(strstr(line, "loss 2.310"));
        if (width > 60)
            assert_non_null(strstr(line, "eta 2 min 10 s"));
        char little[8];
        memset(little, 'x', sizeof little);
        progress_format(little, 4, p, &half);
        assert_true(strlen(little) <= 3 && little[4] == 'x');
        progress_close(p);
    }
    assert_line(true, 80, &half, "epoch 3/100 train [===>    ] 512/1,252  loss 2.310  top-1 45.2%  eta 2 min 10 s");
}

static void test_bar(void **state) {
    (void)state;
    lines l;
    char line[512];
    progress *p = begun(&l, true, 200);
    int last = -1;
    for (int64_t done = 0; done <= 1252; done++) {
        progress_format(line, sizeof line, p,
                        &(progress_state){.done = done, .loss = NAN, .top1 = NAN, .wait_share = NAN});
        const char *open = strchr(line, '['), *close = strchr(line, ']');
        assert_int_equal(close - open, 31);
        int full = (int)strspn(open + 1, "=");
        assert_true(full >= last && full <= 30);
        last = full;
    }
    assert_int_equal(last, 30);
    progress_begin(p, "val", 0, 1, 0, 0); /* zero steps must not cause a division by zero */
    progress_format(line, sizeof line, p, &(progress_state){.loss = NAN, .top1 = NAN, .wait_share = NAN});
    assert_non_null(strstr(line, "epoch 1/1 val [==============================] 0/0"));
    progress_close(p);
}

static void test_terminal_redraws(void **state) {
    (void)state;
    lines l;
    progress *p = begun(&l, true, 100);
    progress_update(p, &half);
    assert_true(l.n == 1 && !l.final); /* the first line is printed at once */
    for (int i = 0; i < 100; i++)
        progress_update(p, &half);
    assert_true(l.n <= 2);
    usleep(250000);
    int before = l.n;
    progress_update(p, &half);
    assert_int_equal(l.n, before + 1);
    progress_end(p, &half);
    assert_true(l.n == before + 2 && l.final);
    assert_null(strchr(l.last, '['));
    assert_null(strstr(l.last, "eta"));
    assert_non_null(strstr(l.last, "took "));
    progress_close(p);
}

static void test_plain_lines(void **state) {
    (void)state;
    lines l;
    progress *p = begun(&l, false, 0);
    for (int i = 0; i < 100; i++)
        progress_update(p, &half);
    assert_int_equal(l.n, 0); /* none in the first ten seconds */
    progress_end(p, &half);
    assert_true(l.n == 1 && l.final);
    assert_non_null(strstr(l.last, "epoch 3/100 train 512/1,252  loss 2.310"));
    progress_close(p);
}

static void test_silent(void **state) {
    (void)state;
    progress *p = NULL;
    assert_ok(progress_open(&p, &(progress_options){0}));
    progress_begin(p, "train", 0, 1, 0, 10);
    progress_update(p, &half);
    progress_end(p, &half);
    progress_close(p);
    progress_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),     cmocka_unit_test(test_run),    cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_fits),        cmocka_unit_test(test_bar),    cmocka_unit_test(test_terminal_redraws),
        cmocka_unit_test(test_plain_lines), cmocka_unit_test(test_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
