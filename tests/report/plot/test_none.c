/* The error of a build without cairo, tested in any build. */
#include "check.h"

#include "report/plot/none.c"

static void test_error_message(void **state) {
    (void)state;
    text png = {0};
    assert_string_equal(plot_unavailable(), "this build has no cairo: install libcairo2-dev and rebuild");
    assert_fails(E_UNSUPPORTED, "this build has no cairo: install libcairo2-dev", plot_charts(&png, NULL, 0, 1));
    assert_fails(E_UNSUPPORTED, "this build has no cairo: install libcairo2-dev", plot_charts_narrow(&png, NULL, 0));
    assert_fails(E_UNSUPPORTED, "this build has no cairo: install libcairo2-dev", plot_grid(&png, "", NULL, 0, 1));
    assert_fails(E_UNSUPPORTED, "this build has no cairo: install libcairo2-dev", plot_grid_narrow(&png, "", NULL, 0));
    assert_fails(E_UNSUPPORTED, "this build has no cairo: install libcairo2-dev", plot_matrix(&png, "", NULL, NULL, 0));
    assert_null(png.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_error_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
