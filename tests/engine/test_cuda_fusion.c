/* Convolutions fused with the preceding BN and ReLU: they compute its output (prologue), or its gradient after the
 * ReLU with the sums for its backward (gradient). Fusions are selected if they are faster, give the ref engine's
 * results in both cases, and are never used in fp32. With the stand-ins of fake_cuda the choice is forced. */
#define _GNU_SOURCE
#include "engine/layer_pair.h"
#include "engine/work.h"

#include <dlfcn.h>

static int (*counts)(int what); /* counters of the stand-ins; NULL on a GPU */
enum { SCALED = 4, GRADIENTS = 5 };

typedef struct shape_case {
    int n, h, w, in_c, c, out_c, kernel, stride;
} shape_case;

static const shape_case cases[] = {{2, 9, 7, 8, 16, 24, 3, 2}, {3, 5, 6, 8, 24, 8, 1, 1}};

/** conv, BN, ReLU, conv, BN. */
static model *link_model(const shape_case *c) {
    model *n = NULL;
    int a = 0;
    assert_ok(model_create_empty(&n, "link", c->out_c));
    assert_ok(model_add_conv(&a, n, "conv1", MODEL_INPUT, c->in_c, c->c, 1, 1, 0));
    assert_ok(model_add_bn(&a, n, "bn1", a, c->c, TENSOR_NONE, true));
    assert_ok(model_add_conv(&a, n, "conv2", a, c->c, c->out_c, c->kernel, c->stride, c->kernel / 2));
    assert_ok(model_add_bn(&a, n, "bn2", a, c->out_c, TENSOR_NONE, false));
    return n;
}

static char folder[256];

/** The behaviour of the stand-ins for each fusion; NULL: fast. */
typedef struct fake_behaviour {
    const char *statistics, *prologue, *gradient;
} fake_behaviour;

static void set(const char *name, const char *value) {
    assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void reset_choices(const fake_behaviour *b) {
    remove_folder(folder);
    set("XDG_CACHE_HOME", folder);
    set("FAKE_CUDA_STATISTICS", b->statistics);
    set("FAKE_CUDA_PROLOGUE", b->prologue);
    set("FAKE_CUDA_GRADIENT", b->gradient);
}

/** The first convolution copies channels exactly, and the image has no values near 0, where the ReLU after its BN
 * changes. So rounding does not change the sign of an element, which would change its gradient completely. */
static void write_copies(pair *r, const shape_case *c) {
    size_t count = (size_t)c->c * (size_t)c->in_c;
    double *w = allocated(count, sizeof *w);
    for (int k = 0; k < c->c; k++)
        w[k * c->in_c + k % c->in_c] = 1;
    assert_ok(engine_write(r->device, ENGINE_WEIGHT, 0, w));
    assert_ok(engine_write(r->ref, ENGINE_WEIGHT, 0, w));
    free(w);
}

static void forward(pair *r, double mean) {
    size_t n = tensor_count(engine_tensor_shape(r->plan, MODEL_INPUT));
    double *x = allocated(n, sizeof *x);
    fill_normal(x, n, 11);
    for (size_t i = 0; i < n; i++)
        x[i] = to_bf16(x[i] + copysign(0.5, x[i]) + mean);
    assert_ok(engine_write_input(r->device, r->plan, x));
    assert_ok(engine_write_input(r->ref, r->ref_plan, x));
    free(x);
    assert_ok(engine_forward(r->device, r->plan));
    assert_ok(engine_forward(r->ref, r->ref_plan));
    for (int t = 0; t < r->model->layer_n; t++)
        pair_compare_tensor(r, t, false);
    pair_compare_all(r, ENGINE_STATS, "running statistics");
}

typedef struct fused_calls {
    int scaled, gradients; /* of one step, without those of autotuning */
} fused_calls;

static int count(int what) { return counts != NULL ? counts(what) : 0; }

static fused_calls run(const shape_case *c, precision p) {
    model *n = link_model(c);
    pair r = pair_open("link", n, c->n, c->h, c->w, p, true);
    write_copies(&r, c);
    forward(&r, 0);
    fused_calls calls = {-count(SCALED), -count(GRADIENTS)};
    forward(&r, 0); /* with the memory content that the first has left */
    pair_backward(&r, ENGINE_FIRST, 21);
    calls.scaled += count(SCALED);
    calls.gradients += count(GRADIENTS);
    pair_backward(&r, ENGINE_LAST, 22);
    pair_close(&r);
    model_destroy(n);
    return calls;
}

static void run_case(const shape_case *c, fake_behaviour behaviour, precision p, fused_calls expected) {
    for (int again = 0; again < 2; again++) { /* autotuned, then read from the file of choices */
        if (again == 0)
            reset_choices(&behaviour);
        fused_calls got = run(c, p);
        if (counts != NULL && (got.scaled != expected.scaled || got.gradients != expected.gradients))
            fail_msg("%s, %d -> %d: %d scaled and %d gradients, not %d and %d", precision_name(p), c->c, c->out_c,
                     got.scaled, got.gradients, expected.scaled, expected.gradients);
    }
}

static void test_both_selected(void **state) {
    (void)state;
    run_case(&cases[0], (fake_behaviour){NULL, NULL, NULL}, PRECISION_16, (fused_calls){2, 1}); /* forward and wgrad */
    run_case(&cases[1], (fake_behaviour){NULL, NULL, NULL}, PRECISION_BF16, (fused_calls){2, 1});
    run_case(&cases[0], (fake_behaviour){NULL, "whole", NULL}, PRECISION_16, (fused_calls){2, 1});
    run_case(&cases[1], (fake_behaviour){"rejected", NULL, NULL}, PRECISION_16, (fused_calls){2, 1});
}

static void test_one_selected(void **state) {
    (void)state;
    run_case(&cases[0], (fake_behaviour){NULL, "slow", NULL}, PRECISION_16, (fused_calls){0, 1});
    run_case(&cases[1], (fake_behaviour){NULL, "rejected", NULL}, PRECISION_BF16, (fused_calls){0, 1});
    run_case(&cases[0], (fake_behaviour){NULL, NULL, "slow"}, PRECISION_16, (fused_calls){2, 0});
    run_case(&cases[1], (fake_behaviour){NULL, NULL, "rejected"}, PRECISION_BF16, (fused_calls){2, 0});
}

static void test_none_selected(void **state) {
    (void)state;
    run_case(&cases[0], (fake_behaviour){"rejected", "whole", "slow"}, PRECISION_16, (fused_calls){0, 0});
    run_case(&cases[1], (fake_behaviour){NULL, NULL, NULL}, PRECISION_32, (fused_calls){0, 0});
}

/** Rounded factors remain accurate if the mean is many standard deviations from 0. */
static void test_large_mean(void **state) {
    (void)state;
    const shape_case *c = &cases[0];
    model *n = link_model(c);
    reset_choices(&(fake_behaviour){NULL, NULL, NULL});
    pair r = pair_open("large mean", n, c->n, c->h, c->w, PRECISION_16, true);
    write_copies(&r, c);
    forward(&r, 20);
    pair_close(&r);
    model_destroy(n);
}

/* ---- whole steps ---- */

enum { STEPS = 5, IMAGES = 2, SIDE = 12 };

/** Results of a training: the loss of all steps, a plan's size, and the bytes that its layers read and write in a step.
 */
typedef struct trained {
    double loss, moved;
    size_t bytes;
} trained;

/** conv, BN and ReLU three times, so two pairs can be fused; accumulated in two micro-batches. */
static trained train(bool recompute, bool keep_tensors) {
    model *n = NULL;
    engine_options o = engine_options_default();
    engine *e = NULL;
    engine_plan *p = NULL;
    engine_result_data result;
    int out = MODEL_INPUT;
    assert_ok(model_create_empty(&n, "links", SMALL_CLASSES));
    out = small_conv_bn(n, "a", out, 3, 16, 3, 1, TENSOR_NONE, true);
    out = small_conv_bn(n, "b", out, 16, 16, 3, 2, TENSOR_NONE, true);
    out = small_conv_bn(n, "c", out, 16, 8, 1, 1, TENSOR_NONE, true);
    assert_ok(model_add_avgpool(&out, n, "avgpool", out, 8));
    assert_ok(model_add_linear(&out, n, "fc", out, 8, SMALL_CLASSES));
    o.precision = PRECISION_16;
    o.recompute = recompute;
    o.keep_tensors = keep_tensors;
    assert_ok(engine_create(&e, "cuda", n, &o));
    assert_ok(engine_init_weights(e, 3));
    assert_ok(engine_compile(&p, e, IMAGES, SIDE, SIDE, true));
    trained t = {.bytes = engine_plan_memory(e, p).activations};
    for (int i = 0; i < n->layer_n; i++)
        for (int k = 0; k < ENGINE_PASSES; k++)
            t.moved += engine_layer_work(p, i, (engine_pass)k).bytes;
    assert_ok(engine_reset_result(e));
    for (int i = 0; i < 2 * STEPS; i++) {
        batch b;
        engine_hyper h = {.lr = 0.05, .momentum = 0.9, .first_step = i < 2, .loss_scale = 64, .images = 2 * IMAGES};
        small_batch(&b, IMAGES, SIDE, SIDE, 50 + (uint64_t)i);
        assert_ok(engine_set_hyper(e, &h));
        assert_ok(engine_load_batch(e, p, &b));
        assert_ok(engine_step(e, p, i % 2 == 0 ? ENGINE_FIRST : ENGINE_LAST));
        batch_deinit(&b);
    }
    assert_ok(engine_result(&result, e));
    engine_destroy(e);
    model_destroy(n);
    t.loss = result.loss_sum;
    return t;
}

/** With recorded steps, accumulation and shared memory the training is the same, and fused outputs save memory. */
static void test_steps(void **state) {
    (void)state;
    for (int recompute = 0; recompute < 2; recompute++) {
        reset_choices(&(fake_behaviour){NULL, NULL, NULL});
        trained fused = train(recompute, false), kept = train(recompute, true);
        assert_true(fused.loss == kept.loss); /* nothing is overwritten too early */
        reset_choices(&(fake_behaviour){NULL, "rejected", "rejected"});
        trained unfused = train(recompute, false);
        assert_close(fused.loss, unfused.loss, 1e-2);
        double y = 2.0 * IMAGES * 16 * SIDE * SIDE * 1.25; /* of the two BNs, in bytes */
        assert_true(counts == NULL || fused.bytes < unfused.bytes);
        /* prologue: BN neither reads x nor writes y, nor again in backward; gradient: dy is read once less
         */
        assert_true(counts == NULL || fused.moved <= unfused.moved - (recompute ? 5 : 3) * y);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_selected), cmocka_unit_test(test_one_selected), cmocka_unit_test(test_none_selected),
        cmocka_unit_test(test_large_mean),    cmocka_unit_test(test_steps),
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
