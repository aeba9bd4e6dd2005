/* engine_step against its separate parts, and results that are posted and taken later. */
#include "base/status.h"
#include "engine/small_models.h"

static void test_posted_results(void **state) {
    (void)state;
    model *n = small_plain_model();
    engine *e = NULL, *parts = NULL;
    engine_plan *p = NULL, *q = NULL;
    engine_options o = engine_options_default();
    engine_hyper h = {.lr = 0.1, .momentum = 0.9, .first_step = true, .loss_scale = 1, .images = 4};
    engine_result_data r, now;
    batch b;
    small_batch(&b, 4, 12, 12, 7);
    assert_ok(engine_create(&e, "ref", n, &o));
    assert_ok(engine_create(&parts, "ref", n, &o));
    assert_ok(engine_init_weights(e, 3));
    assert_ok(engine_init_weights(parts, 3));
    assert_false(engine_runs_ahead(e));
    assert_int_equal(engine_set_grad_scaler(e, &(engine_grad_scaler){.scale = 2}), E_UNSUPPORTED);
    assert_int_equal(engine_take_result(&r, e), E_DEVICE);
    assert_ok(engine_compile(&p, e, 4, 12, 12, true));
    assert_ok(engine_compile(&q, parts, 4, 12, 12, true));
    double loss[2];
    for (int i = 0; i < 2; i++) {
        assert_ok(engine_set_hyper(e, &h));
        assert_ok(engine_set_hyper(parts, &h));
        assert_ok(engine_reset_result(e));
        assert_ok(engine_reset_result(parts));
        assert_ok(engine_load_batch(e, p, &b));
        assert_ok(engine_step(e, p, ENGINE_FIRST | ENGINE_LAST));
        assert_ok(engine_post_result(e));
        run_step(parts, q, &b);
        assert_ok(engine_unscale(parts));
        assert_ok(engine_update(parts));
        assert_ok(engine_result(&now, parts));
        loss[i] = now.loss_sum;
        h.first_step = false;
    }
    assert_int_equal(engine_post_result(e), E_DEVICE); /* two results are pending */
    for (int i = 0; i < 2; i++) {
        assert_ok(engine_take_result(&r, e));
        assert_true(r.loss_sum == loss[i]);
    }
    assert_true(loss[0] != loss[1]);
    engine_destroy(e);
    engine_destroy(parts);
    batch_deinit(&b);
    model_destroy(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_posted_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
