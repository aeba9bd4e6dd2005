/* The cpu engine against PyTorch, in fp32 and bf16. */
#include "engine/parity_run.h"

static void test_bf16_losses(void **state) {
    (void)state;
    if (!engine_has_bf16())
        skip();
    check_ten_losses("resnet18", PRECISION_BF16);
    check_ten_losses("resnet50", PRECISION_BF16);
    check_ten_losses("grouped", PRECISION_BF16);
    check_ten_losses("resnet20", PRECISION_BF16);
}

static void test_bf16_winograd_losses(void **state) {
    parity_winograd = true;
    test_bf16_losses(state);
    parity_winograd = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resnet18_losses),    cmocka_unit_test(test_resnet50_losses),
        cmocka_unit_test(test_grouped_losses),     cmocka_unit_test(test_bf16_losses),
        cmocka_unit_test(test_resnet20_losses),    cmocka_unit_test(test_bf16_winograd_losses),
        cmocka_unit_test(test_resnet18_gradients), cmocka_unit_test(test_resnet50_gradients),
    };
    const char *reason = engine_unavailable("cpu");
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
