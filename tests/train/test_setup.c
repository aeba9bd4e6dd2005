/* What the loaders of a run are given. */
#include "check.h"

#include "train/setup.h"

static void fast_decode_is_for_training_alone(void **state) {
    (void)state;
    static config c;
    config_defaults(&c);
    assert_false(setup_loader_options(&c, true).transform.fast_decode);
    assert_ok(config_set(&c, "data.fast_decode", "true", "test"));
    assert_true(setup_loader_options(&c, true).transform.fast_decode);
    assert_false(setup_loader_options(&c, false).transform.fast_decode);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fast_decode_is_for_training_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
