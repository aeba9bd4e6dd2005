/* The profile's clocks and algorithms, the work computed from shapes, and the measured peaks. */
#include "engine/work.h"
#include "small_models.h"
#include "telemetry/host_memory.h"

#include <string.h>

enum { IMAGES = 4, SIZE = 32 };

typedef struct bench {
    model *model;
    engine *engine;
    engine_plan *plan;
    batch batch;
} bench;

static bench open_bench(const char *device) {
    bench b = {.model = small_residual_model()};
    engine_options o = engine_options_default();
    assert_ok(engine_create(&b.engine, device, b.model, &o));
    assert_ok(engine_init_weights(b.engine, 1));
    assert_ok(engine_compile(&b.plan, b.engine, IMAGES, SIZE, SIZE, true));
    small_batch(&b.batch, IMAGES, SIZE, SIZE, 1);
    return b;
}

static void close_bench(bench *b) {
    batch_deinit(&b->batch);
    engine_destroy(b->engine);
    model_destroy(b->model);
}

static void whole_step(bench *b) {
    run_step(b->engine, b->plan, &b->batch);
    assert_ok(engine_unscale(b->engine));
    assert_ok(engine_update(b->engine));
}

static bool is_product(const layer *l) { return l->kind == LAYER_CONV || l->kind == LAYER_LINEAR; }

static double sum_of(const bench *b) {
    const engine_times *t = engine_profile_times(b->engine);
    double sum = 0;
    for (int k = 0; k < ENGINE_PHASES; k++)
        sum += t->phase[k];
    for (int i = 0; i < b->model->layer_n; i++)
        for (int k = 0; k < ENGINE_PASSES; k++)
            sum += t->layer[i][k];
    return sum;
}

static void check_times(const char *device, bool splits) {
    bench b = open_bench(device);
    const engine_times *t = engine_profile_times(b.engine);
    whole_step(&b);
    assert_true(sum_of(&b) == 0); /* off */
    engine_profile_start(b.engine);
    whole_step(&b);
    assert_ok(engine_profile_stop(b.engine));
    double sum = sum_of(&b);
    for (int i = 0; i < b.model->layer_n; i++) {
        assert_true(t->layer[i][PASS_FORWARD] > 0);
        assert_true(t->layer[i][PASS_BACKWARD] >= 0);
        assert_true((t->layer[i][PASS_WGRAD] > 0) == (splits && is_product(&b.model->layer[i])));
    }
    for (int k = 0; k < ENGINE_PHASES; k++)
        assert_true((t->phase[k] > 0) == (k != PHASE_ALL_REDUCE));
    assert_ok(engine_profile_stop(b.engine)); /* later steps are not measured */
    whole_step(&b);
    assert_true(sum_of(&b) == sum);
    engine_profile_start(b.engine); /* from 0 again */
    assert_true(sum_of(&b) == 0);
    close_bench(&b);
}

static void times_of_ref(void **state) {
    (void)state;
    check_times("ref", false);
}

static void times_of_cpu(void **state) {
    (void)state;
    if (engine_unavailable("cpu") != NULL)
        skip();
    check_times("cpu", true);
}

static void flop(void **state) {
    (void)state;
    bench b = open_bench("ref");
    double sum[ENGINE_PASSES] = {0};
    for (int i = 0; i < b.model->layer_n; i++)
        for (int k = 0; k < ENGINE_PASSES; k++)
            sum[k] += engine_layer_work(b.plan, i, k).flop;
    double forward = 2 * IMAGES * model_macs(b.model, SIZE, SIZE);
    double first = 2.0 * IMAGES * 16 * 16 * 6 * 3 * 9; /* 32 / 2 = 16; 6 x 3 channels; 3 x 3 */
    assert_true(sum[PASS_FORWARD] == forward);
    assert_true(sum[PASS_WGRAD] == forward);
    assert_true(sum[PASS_BACKWARD] == forward - first); /* no gradient of the images */
    close_bench(&b);
}

static int layer_named(const model *n, const char *name) {
    for (int i = 0; i < n->layer_n; i++)
        if (strcmp(n->layer[i].name, name) == 0)
            return i;
    fail_msg("no layer %s", name);
    return -1;
}

/* The bytes of a pass over each tensor, computed by hand, in doubles. */
static void bytes(void **state) {
    (void)state;
    bench b = open_bench("ref");
    double stem_x = IMAGES * 32 * 32 * 3 * 8, stem_y = IMAGES * 16 * 16 * 6 * 8, weights = 6 * 3 * 9 * 8;
    int conv = layer_named(b.model, "stem.conv"), bn = layer_named(b.model, "block0.0.bn");
    assert_true(engine_layer_work(b.plan, conv, PASS_FORWARD).bytes == stem_x + weights + stem_y);
    assert_true(engine_layer_work(b.plan, conv, PASS_WGRAD).bytes == stem_y + stem_x + weights);
    assert_true(engine_layer_work(b.plan, conv, PASS_BACKWARD).bytes == 0);
    double x = IMAGES * 8 * 8 * 4 * 8; /* block0.0: 8 x 8 pixels of 4 channels */
    double forward = engine_layer_work(b.plan, bn, PASS_FORWARD).bytes, saved = forward - 3 * x;
    assert_true(saved >= 0 && saved < 2 * x); /* data of the device: statistics and mask */
    assert_true(engine_layer_work(b.plan, bn, PASS_BACKWARD).bytes == 5 * x + 2 * saved);
    assert_true(engine_layer_work(b.plan, bn, PASS_WGRAD).bytes == 0);
    /* with a residual, whose gradient is written and read again, and two readers of the output */
    int add = layer_named(b.model, "block0.1.bn");
    x = IMAGES * 8 * 8 * 6 * 8;
    forward = engine_layer_work(b.plan, add, PASS_FORWARD).bytes;
    saved = forward - 4 * x;
    assert_true(engine_layer_work(b.plan, add, PASS_BACKWARD).bytes == (1 + 2 + 1) * x + saved + 3 * x);
    assert_true(engine_phase_work(b.plan, PHASE_LOAD).bytes == IMAGES * 32 * 32 * 3 * 9);
    assert_true(engine_phase_work(b.plan, PHASE_UPDATE).bytes == 5.0 * 8 * (double)b.model->weight_n);
    close_bench(&b);
}

static void evaluation_has_no_backward(void **state) {
    (void)state;
    bench b = open_bench("ref");
    engine_plan *p = NULL;
    assert_ok(engine_compile(&p, b.engine, IMAGES, SIZE, SIZE, false));
    for (int i = 0; i < b.model->layer_n; i++) {
        assert_true(engine_layer_work(p, i, PASS_FORWARD).bytes > 0);
        assert_true(engine_layer_work(p, i, PASS_BACKWARD).bytes == 0);
        assert_true(engine_layer_work(p, i, PASS_WGRAD).flop == 0);
    }
    close_bench(&b);
}

/** Convolutions and the linear layer have an algorithm in each pass that they run; nothing else has one. */
static void check_algorithms(const bench *b, const engine_plan *p, bool training) {
    for (int i = 0; i < b->model->layer_n; i++)
        for (int k = 0; k < ENGINE_PASSES; k++) {
            engine_algorithm a = engine_layer_algorithm(p, i, k);
            const layer *l = &b->model->layer[i];
            bool runs = k == PASS_FORWARD || (training && (k == PASS_WGRAD || l->input != MODEL_INPUT));
            assert_int_equal(a.name[0] != 0, is_product(l) && runs);
            assert_int_equal(a.implementation[0] != 0, strncmp(a.name, "onednn", 6) == 0);
            assert_true(!a.reference || strstr(a.implementation, "ref") != NULL);
        }
}

static void algorithms(void **state) {
    (void)state;
    bench b = open_bench("ref");
    engine_plan *p = NULL;
    for (int i = 0; i < b.model->layer_n; i++)
        assert_string_equal(engine_layer_algorithm(b.plan, i, PASS_FORWARD).name, "");
    close_bench(&b);
    if (engine_unavailable("cpu") != NULL)
        return;
    b = open_bench("cpu");
    check_algorithms(&b, b.plan, true);
    assert_ok(engine_compile(&p, b.engine, IMAGES, SIZE, SIZE, false));
    check_algorithms(&b, p, false);
    close_bench(&b);
}

static void peaks(void **state) {
    (void)state;
    bench b = open_bench("ref");
    engine_peaks k = {.flops = 1};
    assert_ok(engine_measure_peaks(&k, b.engine));
    assert_true(k.flops == 0 && k.read == 0 && k.write == 0 && k.mixed == 0);
    close_bench(&b);
    if (engine_unavailable("cpu") != NULL)
        return;
    b = open_bench("cpu");
    assert_ok(engine_measure_peaks(&k, b.engine));
    assert_true(k.flops > 1e8 && k.flops < 1e15);
    assert_true(k.read > 1e7 && k.write > 1e7 && k.mixed > 1e7 && k.read < 1e13);
    close_bench(&b);
}

/* The size is known without compiling, allocates nothing, and is that of the compiled plan. */
static void size_before_compiling(void **state) {
    (void)state;
    bench b = open_bench("ref");
    engine_plan *p = NULL;
    size_t before = 0, small = 0;
    assert_ok(engine_plan_bytes(&small, b.engine, 1, SIZE, SIZE, true));
    assert_ok(engine_plan_bytes(&before, b.engine, 3 * IMAGES, SIZE, SIZE, true));
    engine_memory none = engine_plan_memory(b.engine, NULL);
    assert_int_equal(none.activations, 0);
    assert_ok(engine_compile(&p, b.engine, 3 * IMAGES, SIZE, SIZE, true));
    engine_memory m = engine_plan_memory(b.engine, p);
    assert_int_equal(m.activations, before);
    assert_true(small < before / 4);
    assert_int_equal(engine_memory_total(&m), m.parameters + m.activations + m.library + m.process);
    assert_int_equal(engine_plan_bytes(&before, b.engine, 0, SIZE, SIZE, true), E_SHAPE);
    assert_true(engine_memory_limit(b.engine) > host_memory_resident());
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_ref),
        cmocka_unit_test(times_of_cpu),
        cmocka_unit_test(flop),
        cmocka_unit_test(bytes),
        cmocka_unit_test(evaluation_has_no_backward),
        cmocka_unit_test(algorithms),
        cmocka_unit_test(peaks),
        cmocka_unit_test(size_before_compiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
