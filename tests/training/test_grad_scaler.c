/** torch.amp.GradScaler's state machine. */
#include "check.h"

#include "training/grad_scaler.h"

static void halves_and_doubles(void **state) {
    (void)state;
    scaler s = grad_scaler_init(true);
    assert_true(grad_scaler_scale(&s) == 65536);
    grad_scaler_update(&s, false);
    grad_scaler_update(&s, false);
    assert_true(grad_scaler_scale(&s) == 16384);
    assert_int_equal(s.skipped, 2);
    for (int i = 0; i < 1999; i++)
        grad_scaler_update(&s, true);
    assert_true(grad_scaler_scale(&s) == 16384);
    assert_int_equal(s.state.growth_tracker, 1999);
    grad_scaler_update(&s, true);
    assert_true(grad_scaler_scale(&s) == 32768);
    assert_int_equal(s.state.growth_tracker, 0);
}

static void a_skipped_step_resets_the_counter(void **state) {
    (void)state;
    scaler s = grad_scaler_init(true);
    for (int i = 0; i < 1999; i++)
        grad_scaler_update(&s, true);
    grad_scaler_update(&s, false);
    assert_true(grad_scaler_scale(&s) == 32768);
    for (int i = 0; i < 1999; i++)
        grad_scaler_update(&s, true);
    assert_true(grad_scaler_scale(&s) == 32768);
    grad_scaler_update(&s, true);
    assert_true(grad_scaler_scale(&s) == 65536);
}

static void scale_may_be_below_one(void **state) {
    (void)state;
    scaler s = grad_scaler_init(true);
    for (int i = 0; i < 20; i++)
        grad_scaler_update(&s, false);
    assert_true(grad_scaler_scale(&s) == 0.0625);
}

static void off(void **state) {
    (void)state;
    scaler s = grad_scaler_init(false);
    grad_scaler_update(&s, false);
    assert_true(grad_scaler_scale(&s) == 1);
    assert_int_equal(s.skipped, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(halves_and_doubles),
                                       cmocka_unit_test(a_skipped_step_resets_the_counter),
                                       cmocka_unit_test(scale_may_be_below_one), cmocka_unit_test(off)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
