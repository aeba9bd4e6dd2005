/* Every optimizer of the reference engine against torch.optim and timm.optim. */
#include "optimizer_cases.h"

static void golden(void **state) {
    (void)state;
    golden_compare("ref", 1e-13);
}

static void saved(void **state) {
    (void)state;
    optimizer_save("ref");
}

/** Only the optimizers that need it have an average of squared gradients; memory counts it. */
static void square(void **state) {
    (void)state;
    model *n = golden_model();
    double x[16];
    for (int k = 0; k < OPTIMIZER_KINDS; k++) {
        engine *e = optimizer_engine("ref", n, (optimizer_kind)k, 1);
        bool has = optimizer_squares((optimizer_kind)k);
        if (has)
            assert_ok(engine_read(x, e, ENGINE_SQUARE, 0));
        else
            assert_fails(E_OPTION, "squared gradients", engine_read(x, e, ENGINE_SQUARE, 0));
        assert_int_equal(engine_plan_memory(e, NULL).parameters, (has ? 4 : 3) * n->weight_n * sizeof(double));
        assert_int_equal(engine_state_bytes(e), (has ? 3 : 2) * n->weight_n * sizeof(double));
        engine_destroy(e);
    }
    model_destroy(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(saved), cmocka_unit_test(square)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
