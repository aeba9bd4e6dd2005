/* The cuda engine against PyTorch, on a GPU: in fp32, bf16 and fp16. The stand-ins of fake_cuda would take hours. */
#define _GNU_SOURCE
#include "engine/parity_run.h"

#include <dlfcn.h>

static void test_16_bit_losses(void **state) {
    (void)state;
    check_ten_losses("resnet18", PRECISION_BF16);
    check_ten_losses("resnet50", PRECISION_BF16);
    check_ten_losses("resnet18", PRECISION_16);
    check_ten_losses("resnet50", PRECISION_16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resnet18_losses),    cmocka_unit_test(test_resnet50_losses),
        cmocka_unit_test(test_grouped_losses),     cmocka_unit_test(test_16_bit_losses),
        cmocka_unit_test(test_resnet20_losses),    cmocka_unit_test(test_resnet18_gradients),
        cmocka_unit_test(test_resnet50_gradients),
    };
    const char *reason = engine_unavailable("cuda");
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (reason == NULL && driver != NULL && dlsym(driver, "fake_cuda_counts") != NULL)
        reason = "a stand-in, not a GPU";
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        return 77;
    }
    parity_device = "cuda";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
