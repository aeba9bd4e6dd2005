/* Every optimizer of the CPU engine against torch.optim and timm.optim, against the reference engine, and with several
 * numbers of threads. */
#include "optimizer_cases.h"

static void golden(void **state) {
    (void)state;
    golden_compare("cpu", 2e-6);
}

static void reference(void **state) {
    (void)state;
    optimizer_compare("cpu", 1e-5);
}

static void threads(void **state) {
    (void)state;
    model *n = optimizer_model(false);
    for (int k = 0; k < OPTIMIZER_KINDS; k++) {
        engine *one = optimizer_engine("cpu", n, (optimizer_kind)k, 1);
        optimizer_run(one, n, (optimizer_kind)k);
        for (int t = 2; t <= 5; t++) {
            engine *e = optimizer_engine("cpu", n, (optimizer_kind)k, t);
            optimizer_run(e, n, (optimizer_kind)k);
            optimizer_same(e, one, n, (optimizer_kind)k, 0);
            engine_destroy(e);
        }
        engine_destroy(one);
    }
    model_destroy(n);
}

static void saved(void **state) {
    (void)state;
    optimizer_save("cpu");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(reference), cmocka_unit_test(threads),
                                       cmocka_unit_test(saved)};
    if (engine_unavailable("cpu") != NULL) {
        print_message("skipped: %s\n", engine_unavailable("cpu"));
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
