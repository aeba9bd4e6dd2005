/* The loss of one image whose logits are the biases of a linear layer without weights. */
#include "small_models.h"

enum { CLASSES = 7 };

typedef struct fixture {
    model *model;
    engine *e;
    engine_plan *p;
    batch batch;
} fixture;

static fixture fixture_open(void) {
    fixture f = {0};
    engine_options o = engine_options_default();
    int i = 0;
    o.keep_tensors = true;
    assert_ok(model_create_empty(&f.model, "loss", CLASSES));
    assert_ok(model_add_linear(&i, f.model, "fc", MODEL_INPUT, 3, CLASSES));
    assert_ok(engine_create(&f.e, "ref", f.model, &o));
    assert_ok(engine_compile(&f.p, f.e, 1, 1, 1, true));
    assert_ok(batch_init(&f.batch, 1, 1, 1));
    f.batch.n = 1;
    return f;
}

static void fixture_close(fixture *f) {
    batch_deinit(&f->batch);
    engine_destroy(f->e);
    model_destroy(f->model);
}

static engine_result_data loss_of(double *dlogits, fixture *f, const double *logits, int label, int label_b, float mix,
                                  const engine_hyper *h) {
    engine_result_data r;
    f->batch.label[0] = label;
    f->batch.label_b[0] = label_b;
    f->batch.mix[0] = mix;
    assert_ok(engine_set_hyper(f->e, h));
    assert_ok(engine_write(f->e, ENGINE_WEIGHT, 1, logits));
    assert_ok(engine_reset_result(f->e));
    assert_ok(engine_load_batch(f->e, f->p, &f->batch));
    assert_ok(engine_forward(f->e, f->p));
    assert_ok(engine_loss(f->e, f->p));
    assert_ok(engine_result(&r, f->e));
    assert_ok(engine_read_tensor_gradient(dlogits, f->e, f->p, 0));
    return r;
}

/** mix * CE(a) + (1 - mix) * CE(b), each CE = (1 - s) * -log p_label + s / C * sum_j -log p_j. */
static void formula(void **state) {
    (void)state;
    fixture f = fixture_open();
    for (int round = 0; round < 30; round++) {
        double logits[CLASSES], log_p[CLASSES], dlogits[CLASSES], sum = 0, all = 0;
        int a = round % CLASSES, b = (round / 2) % CLASSES;
        float mix = round % 3 == 0 ? 1.0f : 0.3f;
        engine_hyper h = {.loss_scale = 16, .images = 5, .label_smoothing = round % 2 == 0 ? 0 : 0.1};
        fill_normal(logits, CLASSES, 70 + (uint64_t)round);
        for (int j = 0; j < CLASSES; j++)
            sum += exp(logits[j]);
        for (int j = 0; j < CLASSES; j++) {
            log_p[j] = logits[j] - log(sum);
            all -= log_p[j];
        }
        double s = h.label_smoothing, m = (double)mix;
        double of_a = (1 - s) * -log_p[a] + s / CLASSES * all, of_b = (1 - s) * -log_p[b] + s / CLASSES * all;
        engine_result_data r = loss_of(dlogits, &f, logits, a, b, mix, &h);
        assert_close(r.loss_sum, m * of_a + (1 - m) * of_b, 1e-14);
        assert_int_equal(r.images, 1);
        for (int j = 0; j < CLASSES; j++) {
            double target = (1 - s) * (m * (j == a) + (1 - m) * (j == b)) + s / CLASSES;
            assert_close(dlogits[j], (exp(log_p[j]) - target) * 16 / 5, 1e-14);
        }
    }
    fixture_close(&f);
}

/** Ranks are those of a stable descending sort. */
static void ranks(void **state) {
    (void)state;
    fixture f = fixture_open();
    const double n = NAN, i = INFINITY;
    const struct {
        double logits[CLASSES];
        int label, top1, top5;
    } c[] = {
        {{1, 2, 3, 4, 5, 6, 7}, 6, 1, 1},  {{1, 2, 3, 4, 5, 6, 7}, 2, 0, 1}, {{1, 2, 3, 4, 5, 6, 7}, 1, 0, 0},
        {{3, 3, 3, 3, 3, 3, 3}, 0, 1, 1}, /* ties: the lower class number first */
        {{3, 3, 3, 3, 3, 3, 3}, 4, 0, 1},  {{3, 3, 3, 3, 3, 3, 3}, 5, 0, 0}, {{0, 9, 9, 0, 0, 0, 0}, 1, 1, 1},
        {{0, 9, 9, 0, 0, 0, 0}, 2, 0, 1},  {{n, n, n, n, n, n, n}, 0, 0, 0}, /* NaN is never correct */
        {{n, 1, 2, 3, 4, 5, 6}, 6, 0, 1},                                    /* and ranks before the numbers */
        {{n, n, n, n, n, 5, 6}, 6, 0, 0},  {{0, n, 0, 0, 0, 0, 0}, 1, 0, 0}, {{-i, 0, i, 0, 0, 0, 0}, 2, 1, 1},
        {{-i, 0, 0, 0, 0, 0, 0}, 0, 0, 0},
    };
    for (size_t k = 0; k < sizeof c / sizeof *c; k++) {
        double dlogits[CLASSES];
        engine_hyper h = {.loss_scale = 1, .images = 1};
        engine_result_data r = loss_of(dlogits, &f, c[k].logits, c[k].label, c[k].label, 1, &h);
        assert_int_equal(r.top1, c[k].top1);
        assert_int_equal(r.top5, c[k].top5);
    }
    fixture_close(&f);
}

/** Large logits lose no digits; infinite and NaN ones give a loss that is not finite. */
static void extremes(void **state) {
    (void)state;
    fixture f = fixture_open();
    double dlogits[CLASSES];
    engine_hyper h = {.loss_scale = 1, .images = 1};
    const double large[CLASSES] = {1e5, 1e5 - 1, -1e5, 0, 0, 0, 0};
    assert_close(loss_of(dlogits, &f, large, 1, 1, 1, &h).loss_sum, log(1 + exp(1)), 1e-11);
    assert_close(dlogits[0], 1 / (1 + exp(-1)), 1e-11);
    const double nan_logits[CLASSES] = {0, NAN};
    assert_true(isnan(loss_of(dlogits, &f, nan_logits, 0, 0, 1, &h).loss_sum));
    const double infinite[CLASSES] = {0, INFINITY};
    assert_false(isfinite(loss_of(dlogits, &f, infinite, 0, 0, 1, &h).loss_sum));
    const double excluded[CLASSES] = {0, -INFINITY, 0, 0, 0, 0, 0};
    assert_close(loss_of(dlogits, &f, excluded, 0, 0, 1, &h).loss_sum, log(6), 1e-14);
    assert_true(dlogits[1] == 0);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(formula), cmocka_unit_test(ranks), cmocka_unit_test(extremes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
