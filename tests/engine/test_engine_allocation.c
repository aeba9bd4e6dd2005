#define _GNU_SOURCE
/* After the first step of a plan, neither the engine's core nor the device allocates memory. */
#include "allocations.h"
#include "small_models.h"

static void steps(engine *e, engine_plan *const *p, const batch *b, int rounds) {
    const engine_hyper h = {.lr = 0.01, .momentum = 0.9, .loss_scale = 1, .images = 4, .clip_norm = 1};
    engine_result_data r;
    for (int i = 0; i < rounds; i++) {
        assert_ok(engine_set_hyper(e, &h));
        run_step(e, p[0], &b[0]);
        assert_ok(engine_unscale(e));
        assert_ok(engine_update(e));
        assert_ok(engine_load_batch(e, p[1], &b[1]));
        assert_ok(engine_forward(e, p[1]));
        assert_ok(engine_loss(e, p[1]));
        assert_ok(engine_result(&r, e));
        assert_ok(engine_reset_result(e));
    }
}

static void steady_steps(void **state) {
    (void)state;
    model *n = small_residual_model();
    engine *e = NULL;
    engine_plan *p[2] = {NULL, NULL};
    batch b[2];
    double logits[3 * SMALL_CLASSES];
    engine_options o = engine_options_default();
    assert_ok(engine_create(&e, "ref", n, &o));
    assert_ok(engine_init_weights(e, 1));
    small_batch(&b[0], 4, 16, 16, 1);
    small_batch(&b[1], 3, 24, 24, 2);
    long before = atomic_load(&allocations);
    assert_ok(engine_compile(&p[0], e, 4, 16, 16, true));
    assert_ok(engine_compile(&p[1], e, 3, 24, 24, false));
    assert_true(atomic_load(&allocations) > before); /* the counter works */
    steps(e, p, b, 1);
    assert_ok(engine_read_tensor(logits, e, p[1], n->layer_n - 1));
    before = atomic_load(&allocations);
    steps(e, p, b, 3);
    assert_ok(engine_compile(&p[0], e, 4, 16, 16, true)); /* cached */
    assert_ok(engine_read_tensor(logits, e, p[1], n->layer_n - 1));
    assert_int_equal(atomic_load(&allocations), before);
    batch_deinit(&b[0]);
    batch_deinit(&b[1]);
    engine_destroy(e);
    model_destroy(n);
}

int main(void) {
    if (!allocations_work) {
        printf("skipped: allocations cannot be counted in this build (sanitizers, or no glibc)\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(steady_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
