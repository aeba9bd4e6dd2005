/* The EMA of the weights: torchvision's values (tests/golden/ema_make.py), its contents, the swap. */
#include "engine/small_models.h"

#include "training/ema.h"

static void fill(engine *e, const model *n, double weight, double stat) {
    double *values = allocated(model_largest(n), sizeof *values);
    for (int i = 0; i < n->param_n; i++) {
        for (size_t k = 0; k < n->param[i].count; k++)
            values[k] = weight + (double)k;
        assert_ok(engine_write(e, ENGINE_WEIGHT, i, values));
    }
    for (int i = 0; i < n->stats_n; i++) {
        for (size_t k = 0; k < 2 * (size_t)n->stats[i].c; k++)
            values[k] = stat + (double)k;
        assert_ok(engine_write(e, ENGINE_STATS, i, values));
    }
    free(values);
}

/* Every weight is `weight` + its number, every statistic `stat` + its number. */
static void check(engine *e, const model *n, double weight, double stat, double tolerance) {
    double *values = allocated(model_largest(n), sizeof *values);
    for (int i = 0; i < n->param_n; i++) {
        assert_ok(engine_read(values, e, ENGINE_WEIGHT, i));
        for (size_t k = 0; k < n->param[i].count; k++)
            assert_near(values[k], weight + (double)k, tolerance);
    }
    for (int i = 0; i < n->stats_n; i++) {
        assert_ok(engine_read(values, e, ENGINE_STATS, i));
        for (size_t k = 0; k < 2 * (size_t)n->stats[i].c; k++)
            assert_near(values[k], stat + (double)k, tolerance);
    }
    free(values);
}

static void as_torchvision(void **state) {
    (void)state;
    static config c;
    int steps_per_epoch = 0;
    model *n = small_residual_model();
    run_context s = {.config = &c, .micro_batches_per_step = 1};
    train_state t = {.epoch = 0};
    engine_options o = engine_options_default();
    FILE *f = fopen(SOURCE_DIR "/tests/golden/ema_golden.txt", "r");
    assert_non_null(f);
    config_defaults(&c);
    assert_int_equal(fscanf(f, "%lf %d %d %d %d %d", &c.trainer.ema, &c.trainer.ema_steps, &c.data.batch_size,
                            &c.trainer.max_epochs, &steps_per_epoch, &c.schedule.warmup_epochs),
                     6);
    assert_ok(engine_create(&s.engine, "ref", n, &o));
    fill(s.engine, n, 7, 0);
    assert_ok(ema_restart(&s));
    for (; t.epoch < c.trainer.max_epochs; t.epoch++) {
        for (int step = 0; step < steps_per_epoch; step++) {
            double expected = 0, now = cos((double)(t.epoch * steps_per_epoch + step)) + 2;
            assert_int_equal(fscanf(f, "%lf", &expected), 1);
            fill(s.engine, n, now, 10 * now);
            assert_ok(ema_step(&s, &t, step));
            check(s.engine, n, now, 10 * now, 0);
            assert_ok(ema_swap(&s));
            check(s.engine, n, expected, 10 * expected, 1e-12);
            assert_ok(ema_swap(&s));
            check(s.engine, n, now, 10 * now, 0);
        }
    }
    assert_int_equal(t.ema_updates, 9);
    fclose(f);
    engine_destroy(s.engine);
    model_destroy(n);
}

/* fp32: the EMA rounds its products and sum as torch's float32 tensors do; logits are those of the EMA after a swap. */
static void on_cpu(void **state) {
    (void)state;
    model *n = small_residual_model();
    engine *e = NULL;
    engine_plan *p = NULL;
    batch b;
    double plain[2 * SMALL_CLASSES], average[2 * SMALL_CLASSES], again[2 * SMALL_CLASSES];
    engine_options o = engine_options_default();
    o.threads = 1;
    if (engine_unavailable("cpu") != NULL)
        skip();
    assert_ok(engine_create(&e, "cpu", n, &o));
    assert_fails(E_OPTION, "no EMA", engine_ema_swap(e));
    assert_int_equal(engine_ema_bytes(e), 0);
    fill(e, n, 1, 0.5);
    assert_ok(engine_ema_update(e, 0.9)); /* the first update is a copy */
    fill(e, n, 2, 3);
    assert_ok(engine_ema_update(e, 0.9));
    assert_int_equal(engine_ema_bytes(e), (n->weight_n + n->stats_elements) * sizeof(float));
    assert_ok(batch_init(&b, 2, 16, 16));
    batch_synthetic(&b, 2, SMALL_CLASSES, 1, 0);
    assert_ok(engine_init_weights(e, 3));
    double *logits[] = {plain, average, again};
    for (int i = 0; i < 3; i++) {
        assert_ok(engine_compile(&p, e, 2, 16, 16, false));
        assert_ok(engine_load_batch(e, p, &b));
        assert_ok(engine_forward(e, p));
        assert_ok(engine_read_tensor(logits[i], e, p, n->layer_n - 1));
        assert_ok(engine_ema_swap(e));
        if (i == 0)
            check(e, n, (double)(0.9f * 1 + 0.1f * 2), (double)(0.9f * 0.5f + 0.1f * 3), 1e-4);
    }
    assert_memory_equal(plain, again,
                        sizeof plain); /* the EMA is in use now, with the results of weights that were written */
    double *one = allocated(model_largest(n), sizeof *one);
    for (int i = 0; i < n->param_n; i++) {
        assert_ok(engine_read(one, e, ENGINE_WEIGHT, i));
        assert_ok(engine_write(e, ENGINE_WEIGHT, i, one));
    }
    free(one);
    assert_ok(engine_load_batch(e, p, &b));
    assert_ok(engine_forward(e, p));
    assert_ok(engine_read_tensor(again, e, p, n->layer_n - 1));
    assert_memory_equal(again, average, sizeof average);
    assert_true(memcmp(plain, average, sizeof plain) != 0);
    batch_deinit(&b);
    engine_destroy(e);
    model_destroy(n);
}

/* The decay is adjusted at most down to a copy; images of all ranks are counted. */
static void decay_is_adjusted(void **state) {
    (void)state;
    static config c;
    config_defaults(&c);
    c.trainer.ema = 0.99998;
    c.trainer.ema_steps = 32;
    c.trainer.max_epochs = 600;
    assert_near(ema_decay(&c, 1024), 1 - 2e-5 * 1024 * 32 / 600, 1e-12); /* the V2 recipe's 0.99891 */
    c.trainer.max_epochs = 1;
    assert_near(ema_decay(&c, 4096), 0, 0);
}

/* The formula of AveragedModel with get_ema_multi_avg_fn: a copy, then decay * ema + (1 - decay) * weight, in warm-up
 * too. */
static void not_adjusted(void **state) {
    (void)state;
    static config c;
    model *n = small_residual_model();
    run_context s = {.config = &c, .micro_batches_per_step = 1};
    train_state t = {.epoch = 0};
    engine_options o = engine_options_default();
    double expected = 0;
    config_defaults(&c);
    c.trainer.ema = 0.75;
    c.trainer.ema_steps = 2;
    c.trainer.ema_adjust = false;
    c.schedule.warmup_epochs = 1;
    assert_ok(engine_create(&s.engine, "ref", n, &o));
    fill(s.engine, n, 7, 0);
    assert_ok(ema_restart(&s));
    for (int step = 0; step < 7; step++) {
        double now = step + 1;
        if (step % 2 == 0)
            expected = step == 0 ? now : 0.75 * expected + 0.25 * now;
        fill(s.engine, n, now, 10 * now);
        assert_ok(ema_step(&s, &t, step));
        assert_ok(ema_swap(&s));
        check(s.engine, n, expected, 10 * expected, 1e-12);
        assert_ok(ema_swap(&s));
    }
    assert_int_equal(t.ema_updates, 4);
    engine_destroy(s.engine);
    model_destroy(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_adjusted),
        cmocka_unit_test(as_torchvision),
        cmocka_unit_test(on_cpu),
        cmocka_unit_test(decay_is_adjusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
