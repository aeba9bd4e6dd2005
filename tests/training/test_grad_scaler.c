/** torch.amp.GradScaler's state machine. */
#include "check.h"

#include "training/grad_scaler.h"

static void halves_and_doubles(void **state) {
    (void)state;
    scaler s = scaler_init(true);
    assert_true(scaler_scale(&s) == 65536);
    scaler_update(&s, false);
    scaler_update(&s, false);
    assert_true(scaler_scale(&s) == 16384);
    assert_int_equal(s.skipped, 2);
    for (int i = 0; i < 1999; i++)
        scaler_update(&s, true);
    assert_true(scaler_scale(&s) == 16384);
    assert_int_equal(s.state.growth_tracker, 1999);
    scaler_update(&s, true);
    assert_true(scaler_scale(&s) == 32768);
    assert_int_equal(s.state.growth_tracker, 0);
}

static void a_skip_starts_the_count_anew(void **state) {
    (void)state;
    scaler s = scaler_init(true);
    for (int i = 0; i < 1999; i++)
        scaler_update(&s, true);
    scaler_update(&s, false);
    assert_true(scaler_scale(&s) == 32768);
    for (int i = 0; i < 1999; i++)
        scaler_update(&s, true);
    assert_true(scaler_scale(&s) == 32768);
    scaler_update(&s, true);
    assert_true(scaler_scale(&s) == 65536);
}

static void falls_below_one(void **state) {
    (void)state;
    scaler s = scaler_init(true);
    for (int i = 0; i < 20; i++)
        scaler_update(&s, false);
    assert_true(scaler_scale(&s) == 0.0625);
}

static void off(void **state) {
    (void)state;
    scaler s = scaler_init(false);
    scaler_update(&s, false);
    assert_true(scaler_scale(&s) == 1);
    assert_int_equal(s.skipped, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(halves_and_doubles),
                                       cmocka_unit_test(a_skip_starts_the_count_anew),
                                       cmocka_unit_test(falls_below_one), cmocka_unit_test(off)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
