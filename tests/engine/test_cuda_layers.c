/* The cuda engine layer by layer against the ref engine, in every precision: on a GPU if there is one, else with the
 * stand-ins of tests/engine/fake_cuda, which run the same kernels on the host. */
#include "engine/layer_cases.h"

typedef struct conv_case {
    int n, in_c, out_c, h, w, kernel, stride, pad, groups;
} conv_case;

static const conv_case convs[] = {
    {2, 3, 8, 11, 9, 7, 2, 3, 1},  {2, 8, 16, 6, 7, 3, 1, 1, 1}, {3, 5, 7, 7, 5, 3, 2, 1, 1},
    {1, 16, 24, 6, 5, 1, 2, 0, 1}, {2, 4, 8, 3, 3, 1, 1, 0, 1},  {1, 32, 40, 4, 4, 1, 1, 0, 1},
    {2, 8, 12, 6, 5, 3, 1, 1, 4},  {1, 3, 6, 7, 5, 3, 2, 1, 3},
};

static void test_convolutions(void **state) {
    (void)state;
    for (int k = 0; k < precision_n; k++) {
        pair_bounds worst = {0, 0};
        for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
            const conv_case *c = &convs[i];
            model *n = NULL;
            int out = 0;
            char name[96];
            snprintf(name, sizeof name, "%d x %d x %d x %d -> %d, kernel %d / %d", c->n, c->h, c->w, c->in_c, c->out_c,
                     c->kernel, c->stride);
            assert_ok(model_create_empty(&n, "conv", c->out_c));
            assert_ok(model_add_grouped_conv(&out, n, "conv", MODEL_INPUT, c->in_c, c->out_c, c->kernel, c->stride,
                                             c->pad, c->groups));
            pair_run(&worst, name, n, c->n, c->h, c->w, each_precision[k], true);
            model_destroy(n);
        }
        print_message("conv, %s: tensors within %.2g, parameters within %.2g\n", precision_name(each_precision[k]),
                      worst.tensor, worst.parameter);
    }
}

static void test_linear(void **state) {
    (void)state;
    for (int k = 0; k < precision_n; k++) {
        pair_bounds worst = {0, 0};
        model *n = NULL;
        int out = 0;
        assert_ok(model_create_empty(&n, "linear", 10));
        assert_ok(model_add_linear(&out, n, "fc", MODEL_INPUT, 24, 10));
        pair_run(&worst, "linear", n, 5, 1, 1, each_precision[k], true);
        model_destroy(n);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions), cmocka_unit_test(test_linear), cmocka_unit_test(test_bn),
        cmocka_unit_test(test_shortcut),     cmocka_unit_test(test_pools),  cmocka_unit_test(test_load_and_loss),
        cmocka_unit_test(test_loss_order),   cmocka_unit_test(test_update), cmocka_unit_test(test_nonfinite),
    };
    (void)argc;
    pair_device = "cuda";
    pair_main_start(argv);
    find_precisions();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
