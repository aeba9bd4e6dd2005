/* Whole training steps of the cuda engine against the ref engine: the loss over many steps in every precision, the
 * loss scaler's decisions, a recorded step whose bytes equal those of one queued call by call, a profile. */
#include "base/file.h"
#include "engine/layer_pair.h"
#include "engine/profile.h"

enum { STEPS = 24, IMAGES = 4, SIDE = 24, INTERVAL = 4 };

/** An engine and its loss scale. */
typedef struct test_engine {
    engine *engine;
    double scale; /* 0: the device's scaler decides */
    engine_result_data result;
} test_engine;

static test_engine test_engine_open(const char *device, const model *n, precision p, double scale) {
    engine_options o = engine_options_default();
    test_engine t = {.scale = scale};
    o.precision = p;
    assert_ok(engine_create(&t.engine, device, n, &o));
    assert_ok(engine_init_weights(t.engine, 3));
    return t;
}

/** Runs step `number`; every fifth step has a short batch. */
static void train_step(test_engine *t, const model *n, int number) {
    int images = number % 5 == 4 ? IMAGES - 1 : IMAGES;
    engine_plan *p = NULL;
    batch b;
    engine_hyper h = {.lr = 0.01,
                      .momentum = 0.9,
                      .weight_decay = 1e-4,
                      .first_step = number == 0,
                      .clip_norm = 1,
                      .loss_scale = t->scale,
                      .images = images,
                      .label_smoothing = 0.1};
    assert_ok(batch_init(&b, images, SIDE, SIDE));
    batch_synthetic(&b, images, n->classes, 1, (uint64_t)number);
    assert_ok(engine_reset_result(t->engine));
    assert_ok(engine_set_hyper(t->engine, &h));
    assert_ok(engine_compile(&p, t->engine, images, SIDE, SIDE, true));
    assert_ok(engine_load_batch(t->engine, p, &b));
    assert_ok(engine_step(t->engine, p, ENGINE_FIRST | ENGINE_LAST));
    assert_ok(engine_post_result(t->engine));
    assert_ok(engine_take_result(&t->result, t->engine));
    batch_deinit(&b);
}

/** Runs the same steps on both engines; the losses differ by at most `tolerance`. */
static void compare_steps(precision p, double tolerance) {
    model *n = small_plain_model();
    double scale = p == PRECISION_16 ? 268435456.0 : 1; /* 2^28: the first steps overflow */
    test_engine ref = test_engine_open("ref", n, p, scale),
                gpu = test_engine_open("cuda", n, p, p == PRECISION_16 ? 0 : 1);
    engine_grad_scaler s = {.scale = scale, .growth_factor = 2, .backoff_factor = 0.5, .growth_interval = INTERVAL};
    int good = 0, skipped = 0;
    if (p == PRECISION_16)
        assert_ok(engine_set_grad_scaler(gpu.engine, &s));
    for (int i = 0; i < STEPS; i++) {
        train_step(&ref, n, i);
        train_step(&gpu, n, i);
        assert_int_equal(gpu.result.finite, ref.result.finite);
        assert_close(gpu.result.loss_sum, ref.result.loss_sum, tolerance);
        if (p != PRECISION_16)
            continue;
        skipped += !ref.result.finite;
        good = ref.result.finite ? good + 1 : 0; /* the same decision as the device's scaler */
        ref.scale *= !ref.result.finite ? 0.5 : good % INTERVAL == 0 ? 2 : 1;
    }
    assert_true(p != PRECISION_16 || (skipped > 0 && skipped < STEPS - INTERVAL));
    engine_destroy(ref.engine);
    engine_destroy(gpu.engine);
    model_destroy(n);
}

static void test_fp32(void **state) {
    (void)state;
    compare_steps(PRECISION_32, 1e-4);
}

static void test_bf16(void **state) {
    (void)state;
    compare_steps(PRECISION_BF16, 2e-2);
}

static void test_fp16_with_scaler(void **state) {
    (void)state;
    compare_steps(PRECISION_16, 1e-2);
}

/** engine_step records a step from the second on; separate calls are never recorded. */
static void test_recorded(void **state) {
    (void)state;
    model *n = small_residual_model();
    for (int i = 0; i < n->layer_n; i++) /* every step has other draws at the recorded address */
        if (n->layer[i].residual != TENSOR_NONE)
            assert_ok(model_set_drop_path(n, i, 0.5));
    test_engine whole = test_engine_open("cuda", n, PRECISION_16, 128),
                pieces = test_engine_open("cuda", n, PRECISION_16, 128);
    for (int i = 0; i < 6; i++) {
        engine_hyper h = {.lr = 0.01 * (i + 1), .momentum = 0.9, .first_step = i == 0, .loss_scale = 128, .images = 2};
        engine *both[] = {whole.engine, pieces.engine};
        for (int k = 0; k < 2; k++) {
            engine_plan *p = NULL;
            batch b;
            small_batch(&b, 2, 16, 16, 40 + (uint64_t)i);
            assert_ok(engine_set_hyper(both[k], &h));
            assert_ok(engine_compile(&p, both[k], 2, 16, 16, true));
            assert_ok(engine_load_batch(both[k], p, &b));
            assert_ok(engine_draw_drop_path(both[k], p, 1, 0, (uint64_t)i));
            if (k == 0) {
                assert_ok(engine_step(both[k], p, ENGINE_FIRST | ENGINE_LAST));
            } else {
                assert_ok(engine_forward(both[k], p));
                assert_ok(engine_loss(both[k], p));
                assert_ok(engine_backward(both[k], p, ENGINE_FIRST | ENGINE_LAST));
                assert_ok(engine_unscale(both[k]));
                assert_ok(engine_update(both[k]));
            }
            batch_deinit(&b);
        }
    }
    for (int what = ENGINE_WEIGHT; what <= ENGINE_STATS; what++) {
        size_t count = 0;
        double *a = read_all(&count, whole.engine, n, (engine_what)what);
        double *b = read_all(&count, pieces.engine, n, (engine_what)what);
        assert_memory_equal(a, b, count * sizeof *a);
        free(a);
        free(b);
    }
    engine_destroy(whole.engine);
    engine_destroy(pieces.engine);
    model_destroy(n);
}

/** Steps with ENGINE_KEEP_STATISTICS, recorded ones too, do not change the running statistics; other steps do. */
static void test_kept_statistics(void **state) {
    (void)state;
    model *n = small_residual_model();
    test_engine t = test_engine_open("cuda", n, PRECISION_16, 1);
    engine_hyper h = {.lr = 0.01, .loss_scale = 1, .images = 2};
    engine_plan *p = NULL;
    batch b;
    small_batch(&b, 2, 16, 16, 40);
    assert_ok(engine_set_hyper(t.engine, &h));
    assert_ok(engine_compile(&p, t.engine, 2, 16, 16, true));
    for (int i = 0; i < 6; i++) {
        bool keep = i % 2 == 1;
        size_t count = 0;
        double *before = read_all(&count, t.engine, n, ENGINE_STATS);
        assert_ok(engine_load_batch(t.engine, p, &b));
        assert_ok(engine_step(t.engine, p, ENGINE_FIRST | ENGINE_LAST | (keep ? ENGINE_KEEP_STATISTICS : 0)));
        double *after = read_all(&count, t.engine, n, ENGINE_STATS);
        assert_int_equal(memcmp(before, after, count * sizeof *after) == 0, keep);
        free(before);
        free(after);
    }
    batch_deinit(&b);
    engine_destroy(t.engine);
    model_destroy(n);
}

/** An EMA does not change the training, bit for bit, and has the value of the formula. */
static void test_ema(void **state) {
    (void)state;
    model *n = small_residual_model();
    test_engine plain = test_engine_open("cuda", n, PRECISION_32, 1),
                other = test_engine_open("cuda", n, PRECISION_32, 1);
    size_t count = 0;
    double *expected = NULL;
    for (int i = 0; i < 5; i++) {
        train_step(&plain, n, i);
        train_step(&other, n, i);
        assert_ok(engine_ema_update(other.engine, 0.9));
        assert_ok(engine_ema_swap(other.engine));
        assert_ok(engine_ema_swap(other.engine));
        double *now = read_all(&count, plain.engine, n, ENGINE_WEIGHT);
        if (expected == NULL)
            expected = read_all(&count, plain.engine, n, ENGINE_WEIGHT);
        for (size_t k = 0; k < count; k++)
            expected[k] = 0.9 * expected[k] + (1 - 0.9) * now[k];
        free(now);
    }
    for (int what = ENGINE_WEIGHT; what <= ENGINE_STATS; what++) {
        double *a = read_all(&count, plain.engine, n, (engine_what)what);
        double *b = read_all(&count, other.engine, n, (engine_what)what);
        assert_memory_equal(a, b, count * sizeof *a);
        free(a);
        free(b);
    }
    assert_ok(engine_ema_swap(other.engine));
    double *average = read_all(&count, other.engine, n, ENGINE_WEIGHT);
    for (size_t k = 0; k < count; k++)
        assert_near(average[k], expected[k], 1e-6);
    free(average);
    free(expected);
    engine_destroy(plain.engine);
    engine_destroy(other.engine);
    model_destroy(n);
}

/** Every part of a step takes time, and their sum is at most the wall-clock time (not with the stand-ins' simulated
 * clock). */
static void test_profile(void **state) {
    (void)state;
    model *n = small_plain_model();
    test_engine t = test_engine_open("cuda", n, PRECISION_16, 1);
    train_step(&t, n, 0);
    engine_profile_start(t.engine);
    double start = clock_seconds();
    train_step(&t, n, 1);
    assert_ok(engine_profile_stop(t.engine));
    double wall = clock_seconds() - start, sum = 0;
    const engine_times *times = engine_profile_times(t.engine);
    engine_plan *p = NULL; /* the plan of the steps */
    assert_ok(engine_compile(&p, t.engine, IMAGES, SIDE, SIDE, true));
    for (int i = 0; i < n->layer_n; i++)
        for (int k = 0; k < ENGINE_PASSES; k++) {
            assert_true(times->layer[i][k] > 0 || k != PASS_FORWARD);
            sum += times->layer[i][k];
        }
    for (int i = 0; i < n->layer_n; i++) {
        engine_algorithm a = engine_layer_algorithm(p, i, PASS_WGRAD);
        bool product = n->layer[i].kind == LAYER_CONV || n->layer[i].kind == LAYER_LINEAR;
        assert_int_equal(strncmp(a.name, "cudnn", 5) == 0, product);
        assert_int_equal(strncmp(a.implementation, "engine ", 7) == 0, product);
    }
    for (int k = 0; k < ENGINE_PHASES; k++) {
        assert_true((times->phase[k] > 0) == (k != PHASE_ALL_REDUCE));
        sum += times->phase[k];
    }
    if (strstr(engine_description(t.engine), "stand-in") == NULL)
        assert_true(sum <= wall);
    engine_destroy(t.engine);
    model_destroy(n);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fp32),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_fp16_with_scaler),
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_ema),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_kept_statistics),
    };
    (void)argc;
    pair_device = "cuda";
    pair_main_start(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
