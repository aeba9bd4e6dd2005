/* The cpu engine's convolutions and linear layers against the ref engine: every layer shape of ResNet-50 (with the
 * height of the tallest maps reduced, so that the reference takes seconds) and odd shapes. */
#include "engine/layer_pair.h"

typedef struct conv_case {
    int n, in_c, out_c, h, w, kernel, stride, pad, groups;
} conv_case;

static const conv_case resnet50[] = {
    {1, 3, 64, 22, 224, 7, 2, 3, 1},    {2, 64, 64, 9, 56, 1, 1, 0, 1},     {2, 64, 64, 9, 56, 3, 1, 1, 1},
    {2, 64, 256, 6, 56, 1, 1, 0, 1},    {2, 256, 64, 6, 56, 1, 1, 0, 1},    {2, 256, 128, 6, 56, 1, 1, 0, 1},
    {1, 128, 128, 12, 56, 3, 2, 1, 1},  {2, 128, 512, 7, 28, 1, 1, 0, 1},   {2, 256, 512, 12, 56, 1, 2, 0, 1},
    {2, 512, 128, 7, 28, 1, 1, 0, 1},   {1, 128, 128, 10, 28, 3, 1, 1, 1},  {2, 512, 256, 7, 28, 1, 1, 0, 1},
    {1, 256, 256, 12, 28, 3, 2, 1, 1},  {1, 256, 1024, 14, 14, 1, 1, 0, 1}, {1, 512, 1024, 14, 28, 1, 2, 0, 1},
    {1, 1024, 256, 14, 14, 1, 1, 0, 1}, {1, 256, 256, 14, 14, 3, 1, 1, 1},  {1, 1024, 512, 14, 14, 1, 1, 0, 1},
    {1, 512, 512, 14, 14, 3, 2, 1, 1},  {2, 512, 2048, 7, 7, 1, 1, 0, 1},   {1, 1024, 2048, 14, 14, 1, 2, 0, 1},
    {2, 2048, 512, 7, 7, 1, 1, 0, 1},   {1, 512, 512, 7, 7, 3, 1, 1, 1},
};

static const conv_case odd[] = {
    {1, 3, 5, 9, 7, 3, 1, 1, 1},
    {3, 5, 7, 11, 13, 3, 2, 1, 1},
    {1, 3, 17, 23, 19, 7, 2, 3, 1},
    {3, 3, 64, 33, 31, 7, 1, 3, 1},
    {1, 20, 12, 1, 1, 1, 1, 0, 1},
    {3, 33, 65, 5, 3, 1, 1, 0, 1},
    {1, 40, 24, 7, 9, 1, 2, 0, 1},
    {3, 16, 16, 1, 1, 3, 1, 1, 1},
    {3, 32, 48, 1, 1, 3, 2, 1, 1},
    {2, 24, 24, 3, 740, 3, 1, 1, 1},
    {1, 100, 10, 6, 5, 3, 2, 1, 1},
    {3, 8, 24, 14, 15, 3, 1, 1, 1},
    {1, 1, 1, 4, 4, 3, 1, 1, 1},
    {3, 64, 96, 8, 8, 3, 1, 0, 1},
    {2, 48, 130, 15, 9, 7, 2, 3, 1},
    {5, 32, 32, 17, 17, 1, 2, 0, 1},
    {2, 128, 128, 9, 14, 3, 1, 1, 32},
    {3, 256, 256, 14, 14, 3, 2, 1, 32},
    {2, 64, 64, 7, 5, 3, 1, 1, 64},
    {3, 6, 9, 7, 5, 3, 1, 1, 3},
    {2, 40, 24, 8, 7, 1, 1, 0, 4},
    /* a stride and fewer channels than a vector; rows of the kernel that cover only padding */
    {6, 6, 8, 8, 10, 1, 2, 0, 1},
    {5, 11, 16, 9, 7, 1, 2, 0, 1},
    {3, 2, 44, 12, 16, 1, 2, 0, 1},
    {4, 256, 512, 1, 1, 3, 2, 1, 1},
    {2, 64, 32, 1, 2, 3, 2, 1, 1},
    {2, 64, 64, 2, 1, 3, 1, 1, 1},
    {3, 16, 32, 1, 1, 7, 2, 3, 1},
};

static const int linear[][3] = {{2, 2048, 1000}, {32, 512, 10}, {1, 7, 3}, {3, 33, 5}};

static void run_cases(const conv_case *c, size_t n, precision p) {
    pair_bounds worst = {0, 0};
    for (size_t i = 0; i < n; i++) {
        model *one = NULL;
        int out = 0;
        char name[96];
        snprintf(name, sizeof name, "%d x %d x %d x %d -> %d, kernel %d / %d", c[i].n, c[i].h, c[i].w, c[i].in_c,
                 c[i].out_c, c[i].kernel, c[i].stride);
        assert_ok(model_create_empty(&one, "one", c[i].out_c));
        assert_ok(model_add_grouped_conv(&out, one, "conv", MODEL_INPUT, c[i].in_c, c[i].out_c, c[i].kernel,
                                         c[i].stride, c[i].pad, c[i].groups));
        pair_run(&worst, name, one, c[i].n, c[i].h, c[i].w, p, c == odd || i % 4 == 0);
        model_destroy(one);
    }
    print_message("%zu shapes, %s: tensors within %.2g, weight gradients within %.2g\n", n, precision_name(p),
                  worst.tensor, worst.parameter);
}

static void run_linear(precision p) {
    pair_bounds worst = {0, 0};
    for (size_t i = 0; i < sizeof linear / sizeof *linear; i++) {
        model *one = NULL;
        int out = 0;
        char name[96];
        snprintf(name, sizeof name, "linear %d: %d -> %d", linear[i][0], linear[i][1], linear[i][2]);
        assert_ok(model_create_empty(&one, "one", linear[i][2]));
        assert_ok(model_add_linear(&out, one, "fc", MODEL_INPUT, linear[i][1], linear[i][2]));
        pair_run(&worst, name, one, linear[i][0], 1, 1, p, true);
        model_destroy(one);
    }
    print_message("linear, %s: tensors within %.2g, weight gradients within %.2g\n", precision_name(p), worst.tensor,
                  worst.parameter);
}

static void run_all(precision p) {
    run_cases(resnet50, sizeof resnet50 / sizeof *resnet50, p);
    run_cases(odd, sizeof odd / sizeof *odd, p);
    run_linear(p);
}

static void test_fp32(void **state) {
    (void)state;
    run_all(PRECISION_32);
}

/** @return 0 or E_OPTION */
static int try_bf16(void) {
    engine_options o = engine_options_default();
    engine *e = NULL;
    model *one = NULL;
    int out = 0;
    o.precision = PRECISION_BF16;
    assert_ok(model_create_empty(&one, "one", 1));
    assert_ok(model_add_linear(&out, one, "fc", MODEL_INPUT, 1, 1));
    int rc = engine_create(&e, "cpu", one, &o);
    engine_destroy(e);
    model_destroy(one);
    if (rc != OK) {
        assert_int_equal(rc, E_OPTION);
        print_message("no bf16 here: %s\n", status_message());
    }
    return rc;
}

static void test_bf16(void **state) {
    (void)state;
    if (try_bf16() == OK)
        run_all(PRECISION_BF16);
}

/** Gradients against the reference, and the same bytes when computed again. */
static void run_team(const model *n, precision p, int images, int threads) {
    char name[64];
    snprintf(name, sizeof name, "%d images, %d threads, %s", images, threads, precision_name(p));
    pair r = pair_open_team(name, n, images, 15, 13, p, true, threads);
    size_t count = 0;
    pair_forward(&r);
    pair_backward(&r, ENGINE_FIRST, 21);
    double *once = read_all(&count, r.device, n, ENGINE_GRADIENT);
    pair_backward(&r, ENGINE_LAST, 22);
    pair_backward(&r, ENGINE_FIRST, 21);
    double *again = read_all(&count, r.device, n, ENGINE_GRADIENT);
    assert_memory_equal(once, again, count * sizeof *once);
    free(once);
    free(again);
    pair_close(&r);
}

/** The work is split among threads evenly, unevenly or not at all. */
static void test_teams(void **state) {
    (void)state;
    static const int teams[][2] = {{5, 1}, {5, 2}, {5, 3}, {6, 3}, {1, 1}, {1, 2}, {5, 5}, {5, 6}, {9, 8}, {10, 9}};
    static const conv_case shapes[] = {{.in_c = 3, .out_c = 20, .kernel = 7, .stride = 2, .pad = 3},
                                       {.in_c = 40, .out_c = 24, .kernel = 3, .stride = 1, .pad = 1},
                                       {.in_c = 40, .out_c = 24, .kernel = 1, .stride = 1, .pad = 0},
                                       {.in_c = 16, .out_c = 48, .kernel = 3, .stride = 2, .pad = 1},
                                       {.in_c = 5, .out_c = 16, .kernel = 1, .stride = 2, .pad = 0}};
    bool bf16 = try_bf16() == OK;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const conv_case *c = &shapes[i];
        model *one = NULL;
        int out = 0;
        assert_ok(model_create_empty(&one, "one", c->out_c));
        assert_ok(model_add_conv(&out, one, "conv", MODEL_INPUT, c->in_c, c->out_c, c->kernel, c->stride, c->pad));
        for (size_t t = 0; t < sizeof teams / sizeof *teams; t++) {
            run_team(one, PRECISION_32, teams[t][0], teams[t][1]);
            if (bf16)
                run_team(one, PRECISION_BF16, teams[t][0], teams[t][1]);
        }
        model_destroy(one);
    }
}

/** A tensor that two layers read: its gradient is the sum of two. */
static void test_two_readers(void **state) {
    (void)state;
    model *n = NULL;
    int a = 0, b = 0, out = 0;
    pair_bounds worst = {0, 0};
    assert_ok(model_create_empty(&n, "two", 4));
    assert_ok(model_add_conv(&a, n, "a", MODEL_INPUT, 6, 10, 3, 1, 1));
    assert_ok(model_add_conv(&b, n, "b", a, 10, 10, 1, 1, 0));
    assert_ok(model_add_bn(&out, n, "bn", b, 10, a, false));
    pair_run(&worst, "two readers", n, 2, 7, 5, PRECISION_32, true);
    model_destroy(n);
}

/** The output of a linear layer that two layers read: backward leaves both gradients as they are. */
static void test_two_readers_of_linear(void **state) {
    (void)state;
    model *n = NULL;
    int a = 0, b = 0, out = 0;
    pair_bounds worst = {0, 0};
    assert_ok(model_create_empty(&n, "two", 10));
    assert_ok(model_add_linear(&a, n, "a", MODEL_INPUT, 6, 10));
    assert_ok(model_add_bn(&b, n, "bn1", a, 10, TENSOR_NONE, true));
    assert_ok(model_add_bn(&out, n, "bn2", b, 10, a, false));
    pair_run(&worst, "two readers of a linear layer", n, 5, 1, 1, PRECISION_32, true);
    model_destroy(n);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fp32),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_teams),
        cmocka_unit_test(test_two_readers),
        cmocka_unit_test(test_two_readers_of_linear),
    };
    (void)argc;
    pair_main_start(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
