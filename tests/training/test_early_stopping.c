/** Early stopping as Lightning's EarlyStopping (2.5, early_stopping.py). */
#include "check.h"

#include "training/early_stopping.h"

#include <math.h>

static early_stopping begin(const char *monitor, const char *mode, int patience, double min_delta) {
    static config c;
    config_defaults(&c);
    assert_ok(config_set(&c, "early_stopping.monitor", monitor, "test"));
    assert_ok(config_set(&c, "early_stopping.mode", mode, "test"));
    c.early_stopping.patience = patience;
    c.early_stopping.min_delta = min_delta;
    return early_stopping_init(&c);
}

/** The epoch in which the values end the run; -1: never. */
static int ends(early_stopping *e, const double *value, int n) {
    for (int i = 0; i < n; i++) {
        early_stopping_check(e, value[i], i);
        if (e->stop)
            return i;
    }
    return -1;
}

static void test_patience(void **state) {
    (void)state;
    static const double loss[] = {3, 2, 2.5, 2, 1.9, 1.95, 1.9, 1.91};
    early_stopping e = begin("val_loss", "auto", 3, 0);
    assert_int_equal(ends(&e, loss, 8), 7); /* an equal value is no improvement */
    assert_true(e.state.best_score == 1.9 && e.state.wait_count == 3 && e.state.stopped_epoch == 7);
    e = begin("val_loss", "auto", 2, 0);
    assert_int_equal(ends(&e, loss, 8), 3);
    e = begin("val_loss", "auto", 4, 0);
    assert_int_equal(ends(&e, loss, 8), -1);
}

static void test_min_delta(void **state) {
    (void)state;
    static const double loss[] = {3, 2.75, 2.5, 2.25, 2};
    early_stopping e = begin("val_loss", "min", 2, 0.25);
    assert_int_equal(ends(&e, loss, 5), -1); /* better than 3 by more than 0.25 every second time */
    e = begin("val_loss", "min", 2, 0.5);
    assert_int_equal(ends(&e, loss, 5), 2);
}

static void test_max(void **state) {
    (void)state;
    static const double top1[] = {0.5, 0.7, 0.6, 0.65};
    early_stopping e = begin("val_acc", "auto", 2, 0);
    assert_int_equal(ends(&e, top1, 4), 3);
    assert_true(e.state.max && e.state.best_score == 0.7);
    e = begin("val_acc", "min", 2, 0);
    assert_int_equal(ends(&e, top1, 4), 2);
}

static void test_not_finite(void **state) {
    (void)state;
    static const double loss[] = {3, NAN};
    char reason[128];
    early_stopping e = begin("val_loss", "auto", 5, 0);
    assert_int_equal(ends(&e, loss + 1, 1), 0);
    e = begin("val_loss", "auto", 5, 0);
    assert_int_equal(ends(&e, loss, 2), 1);
    assert_string_equal(early_stopping_reason(reason, &e), "early stopping: val_loss is not finite");
}

static void test_off(void **state) {
    (void)state;
    static const double loss[] = {3, 3, 3, 3, 3, NAN};
    early_stopping e = begin("none", "auto", 1, 0);
    assert_int_equal(ends(&e, loss, 6), -1);
}

static void test_restore(void **state) {
    (void)state;
    static const double loss[] = {3, 3.5};
    early_stopping saved = begin("val_loss", "auto", 3, 0), e = begin("val_loss", "auto", 3, 0);
    assert_int_equal(ends(&saved, loss, 2), -1);
    assert_true(early_stopping_restore(&e, &saved.state));
    assert_int_equal(ends(&e, loss, 2), 1); /* the second and the third value in a row without improvement */
    early_stopping over = begin("val_loss", "auto", 3, 0), longer = begin("val_loss", "auto", 4, 0);
    assert_true(early_stopping_restore(&over, &e.state) && over.stop);
    assert_true(early_stopping_restore(&longer, &e.state) && !longer.stop); /* the option counts, not the file */
    early_stopping other = begin("val_acc", "auto", 3, 0);
    assert_false(early_stopping_restore(&other, &e.state));
    assert_int_equal(other.state.wait_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience),   cmocka_unit_test(test_min_delta), cmocka_unit_test(test_max),
        cmocka_unit_test(test_not_finite), cmocka_unit_test(test_off),       cmocka_unit_test(test_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
