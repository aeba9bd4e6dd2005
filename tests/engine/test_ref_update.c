/* Unscaling, the norm, clipping and SGD against the formulas written out per element. */
#include "small_models.h"

typedef struct fixture {
    model *model;
    engine *e;
    size_t n;
    bool *decays;
    double *p, *buf, *g; /* the expected values */
} fixture;

static fixture fixture_open(void) {
    fixture f = {.model = small_residual_model()};
    engine_options o = engine_options_default();
    for (int i = 0; i < f.model->param_n; i++)
        f.model->param[i].decays = f.model->param[i].rank > 1;
    assert_ok(engine_create(&f.e, "ref", f.model, &o));
    assert_ok(engine_init_weights(f.e, 1));
    f.n = f.model->weight_n;
    f.decays = allocated(f.n, sizeof *f.decays);
    for (int i = 0; i < f.model->param_n; i++)
        for (size_t k = 0; k < f.model->param[i].count; k++)
            f.decays[f.model->param[i].offset + k] = f.model->param[i].decays;
    f.p = read_all(&f.n, f.e, f.model, ENGINE_WEIGHT);
    f.buf = allocated(f.n, sizeof *f.buf);
    f.g = allocated(f.n, sizeof *f.g);
    return f;
}

static void fixture_close(fixture *f) {
    free(f->decays);
    free(f->p);
    free(f->buf);
    free(f->g);
    engine_destroy(f->e);
    model_destroy(f->model);
}

static double step(fixture *f, const engine_hyper *h, uint64_t seed) {
    double *scaled = allocated(f->n, sizeof *scaled), norm = 0;
    engine_result_data r;
    fill_normal(f->g, f->n, seed);
    for (size_t i = 0; i < f->n; i++)
        scaled[i] = f->g[i] * h->loss_scale;
    assert_ok(engine_set_hyper(f->e, h));
    write_all(f->e, f->model, ENGINE_GRADIENT, scaled);
    assert_ok(engine_unscale(f->e));
    assert_ok(engine_update(f->e));
    assert_ok(engine_result(&r, f->e));
    assert_true(r.finite);
    for (size_t i = 0; i < f->n; i++)
        norm += f->g[i] * f->g[i];
    assert_close(r.grad_norm, sqrt(norm), 1e-13);
    free(scaled);
    return sqrt(norm);
}

static void assert_state(fixture *f) {
    size_t n = 0;
    double *p = read_all(&n, f->e, f->model, ENGINE_WEIGHT), *buf = read_all(&n, f->e, f->model, ENGINE_MOMENTUM);
    for (size_t i = 0; i < n; i++) {
        assert_close(p[i], f->p[i], 1e-14);
        assert_close(buf[i], f->buf[i], 1e-14);
    }
    free(p);
    free(buf);
}

static void sgd(void **state) {
    (void)state;
    const engine_hyper variants[] = {
        {.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-2},
        {.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-2, .nesterov = true},
        {.lr = 0.2, .momentum = 0.8, .dampening = 0.3, .weight_decay = 1e-2},
        {.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-2, .clip_norm = 1.5},
        {.lr = 0.1, .momentum = 0.9, .clip_norm = 1e6},
        {.lr = 0.3, .dampening = 0.5, .weight_decay = 1e-2}, /* no momentum: torch's SGD keeps no buffer */
    };
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        fixture f = fixture_open();
        for (int s = 0; s < 3; s++) {
            engine_hyper h = variants[v];
            h.loss_scale = 64;
            h.images = 1;
            h.first_step = s == 0;
            double norm = step(&f, &h, 10 * v + (uint64_t)s), clip = 1;
            if (h.clip_norm > 0 && h.clip_norm < norm + 1e-6)
                clip = h.clip_norm / (norm + 1e-6);
            for (size_t i = 0; i < f.n; i++) {
                double g = f.g[i] * clip + (f.decays[i] ? h.weight_decay * f.p[i] : 0);
                if (h.momentum > 0)
                    f.buf[i] = s == 0 ? g : h.momentum * f.buf[i] + (1 - h.dampening) * g;
                double d = h.momentum > 0 ? f.buf[i] : g;
                f.p[i] -= h.lr * (h.nesterov ? g + h.momentum * f.buf[i] : d);
            }
            assert_state(&f);
        }
        fixture_close(&f);
    }
}

/** Clipping bounds the step: without decay and momentum |dp| = lr * clip. */
static void clip_bounds(void **state) {
    (void)state;
    fixture f = fixture_open();
    engine_hyper h = {.lr = 1, .clip_norm = 0.25, .loss_scale = 1, .images = 1};
    size_t n = 0;
    double sum = 0;
    step(&f, &h, 3);
    double *after = read_all(&n, f.e, f.model, ENGINE_WEIGHT);
    for (size_t i = 0; i < n; i++)
        sum += (after[i] - f.p[i]) * (after[i] - f.p[i]);
    assert_close(sqrt(sum), 0.25, 1e-6);
    free(after);
    fixture_close(&f);
}

/** With one non-finite gradient no weight changes and the result reports it; the next finite step works. */
static void non_finite(void **state) {
    (void)state;
    fixture f = fixture_open();
    engine_hyper h = {.lr = 0.1, .momentum = 0.9, .clip_norm = 1, .loss_scale = 2, .images = 1, .first_step = true};
    const double bad[] = {NAN, INFINITY, -INFINITY};
    size_t n = 0;
    engine_result_data r;
    step(&f, &h, 1);
    double *p = read_all(&n, f.e, f.model, ENGINE_WEIGHT), *buf = read_all(&n, f.e, f.model, ENGINE_MOMENTUM);
    h.first_step = false;
    for (int k = 0; k < 9; k++) {
        size_t places[] = {0, f.n / 2, f.n - 1};
        fill_normal(f.g, f.n, 2);
        f.g[places[k / 3]] = bad[k % 3];
        assert_ok(engine_set_hyper(f.e, &h));
        write_all(f.e, f.model, ENGINE_GRADIENT, f.g);
        assert_ok(engine_unscale(f.e));
        assert_ok(engine_update(f.e));
        assert_ok(engine_result(&r, f.e));
        assert_false(r.finite);
        double *q = read_all(&n, f.e, f.model, ENGINE_WEIGHT), *buf_after = read_all(&n, f.e, f.model, ENGINE_MOMENTUM);
        assert_memory_equal(p, q, n * sizeof *p);
        assert_memory_equal(buf, buf_after, n * sizeof *p);
        free(q);
        free(buf_after);
    }
    step(&f, &h, 3);
    double *q = read_all(&n, f.e, f.model, ENGINE_WEIGHT);
    assert_memory_not_equal(p, q, n * sizeof *p);
    free(p);
    free(q);
    free(buf);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sgd), cmocka_unit_test(clip_bounds),
                                       cmocka_unit_test(non_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
