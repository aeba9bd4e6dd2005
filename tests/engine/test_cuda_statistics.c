/* Convolutions that also compute the sums for the following BN: selected if that is faster, with the ref engine's
 * results in both cases, and never in fp32. With the stand-ins of fake_cuda the choice is forced. */
#define _GNU_SOURCE
#include "engine/layer_pair.h"

#include <dlfcn.h>

static int (*counts)(int what); /* counters of the stand-ins, 2: convolutions with sums; NULL on a GPU */

typedef struct shape_case {
    int n, h, w, in_c, out_c, kernel, stride;
} shape_case;

static const shape_case cases[] = {{2, 17, 13, 3, 16, 3, 2}, {3, 8, 9, 8, 24, 1, 1}};

/** Two convolutions with a BN each, the second added to the first's; without ReLU, because rounding can change the sign
 * of its input. */
static model *conv_bn_model(const shape_case *c) {
    model *n = NULL;
    int a = 0, b = 0;
    assert_ok(model_create_empty(&n, "conv, bn", c->out_c));
    assert_ok(model_add_conv(&a, n, "conv1", MODEL_INPUT, c->in_c, c->out_c, c->kernel, c->stride, c->kernel / 2));
    assert_ok(model_add_bn(&a, n, "bn1", a, c->out_c, TENSOR_NONE, false));
    assert_ok(model_add_conv(&b, n, "conv2", a, c->out_c, c->out_c, 3, 1, 1));
    assert_ok(model_add_bn(&b, n, "bn2", b, c->out_c, a, false));
    return n;
}

static char folder[256];

/** Sets the stand-ins' behaviour and deletes the stored choices. */
static void reset_choices(const char *behaviour) {
    remove_folder(folder);
    assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
    assert_int_equal(
        behaviour != NULL ? setenv("FAKE_CUDA_STATISTICS", behaviour, 1) : unsetenv("FAKE_CUDA_STATISTICS"), 0);
}

/** @return number of convolutions with sums that steps queued, without those of autotuning */
static int run(const shape_case *c, precision p) {
    model *n = conv_bn_model(c);
    pair r = pair_open("conv, bn", n, c->n, c->h, c->w, p, true);
    int before = counts != NULL ? counts(2) : 0;
    pair_forward(&r);
    int queued = counts != NULL ? counts(2) - before : 0;
    pair_forward(&r); /* with the memory content that the first has left */
    pair_backward(&r, ENGINE_FIRST | ENGINE_LAST, 21);
    pair_close(&r);
    model_destroy(n);
    return queued;
}

static void run_all(const char *behaviour, precision p, int expected) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int again = 0; again < 2; again++) { /* autotuned, then read from the file of choices */
            if (again == 0)
                reset_choices(behaviour);
            int queued = run(&cases[i], p);
            if (counts != NULL && queued != expected)
                fail_msg("%s, %s, case %zu: %d convolutions with sums, not %d", behaviour != NULL ? behaviour : "fast",
                         precision_name(p), i, queued, expected);
        }
}

static void test_selected(void **state) {
    (void)state;
    run_all(NULL, PRECISION_16, 2);
    run_all(NULL, PRECISION_BF16, 2);
}

static void test_not_selected(void **state) {
    (void)state;
    static const char *const ways[] = {"slow", "rejected"};
    for (int i = 0; i < 2; i++) {
        run_all(ways[i], PRECISION_16, 0);
        run_all(ways[i], PRECISION_BF16, 0);
    }
    run_all(NULL, PRECISION_32, 0);
}

/** A mean many standard deviations from 0: sums without a shift must remain accurate. */
static void test_large_mean(void **state) {
    (void)state;
    model *n = NULL;
    int a = 0;
    reset_choices(NULL);
    assert_ok(model_create_empty(&n, "large mean", 16));
    assert_ok(model_add_conv(&a, n, "conv", MODEL_INPUT, 8, 16, 1, 1, 0));
    assert_ok(model_add_bn(&a, n, "bn", a, 16, TENSOR_NONE, false));
    pair r = pair_open("large mean", n, 4, 12, 12, PRECISION_16, true);
    pair_write(&r, false, 8, 11);
    assert_ok(engine_forward(r.device, r.plan));
    assert_ok(engine_forward(r.ref, r.ref_plan));
    pair_compare_tensor(&r, a, false);
    pair_compare_all(&r, ENGINE_STATS, "running statistics");
    pair_close(&r);
    model_destroy(n);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selected),
        cmocka_unit_test(test_not_selected),
        cmocka_unit_test(test_large_mean),
    };
    (void)argc;
    pair_device = "cuda";
    pair_main_start(argv);
    void *handle = dlopen("libcuda.so.1", RTLD_NOW), *address = dlsym(handle, "fake_cuda_counts");
    memcpy(&counts, &address, sizeof counts);
    make_temporary_folder(folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder(folder);
    return failed;
}
