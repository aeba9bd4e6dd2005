/* The parts of the bench's profile sum to the total, its plan reports the memory that the process uses, and a batch
 * that cannot fit is refused. */
#include "check.h"

#include "tools/bench.h"
#include "training/batch_fit.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool memory_is_exact = false; /* shadow memory is included */
#else
static const bool memory_is_exact = true;
#endif

static config *small(const char *device, int images, int size) {
    static config c;
    config_defaults(&c);
    snprintf(c.model.arch, sizeof c.model.arch, "resnet18");
    snprintf(c.trainer.device, sizeof c.trainer.device, "%s", device);
    snprintf(c.trainer.precision, sizeof c.trainer.precision, "32-true");
    c.data.batch_size = images;
    c.data.image_size = size;
    return &c;
}

/* This test must be the first, before others allocate memory. */
static void plan_reports_the_memory(void **state) {
    (void)state;
    bench_result r;
    if (!memory_is_exact || engine_unavailable("cpu") != NULL)
        skip();
    assert_ok(bench_steps(&r, NULL, small("cpu", 16, 96), NULL, true, 1, 1));
    double planned = (double)engine_memory_total(&r.memory), peak = (double)r.peak_bytes;
    assert_true(r.memory.process > 0 && r.memory.activations > 0);
    if (!(planned > 0.9 * peak && planned < 1.1 * peak))
        fail_msg("planned %.1f MB, the process had %.1f MB", 1e-6 * planned, 1e-6 * peak);
}

static const profile_line *kind_of(const profile *p, const char *name) {
    for (int i = 0; i < p->kind_n; i++)
        if (strcmp(p->kind[i].name, name) == 0)
            return &p->kind[i];
    fail_msg("no kind %s", name);
    return NULL;
}

static void check_profile(const char *device, int images, int size) {
    static const struct {
        const char *name;
        int layers;
    } kinds[] = {{"conv 7x7", 1},    {"conv 3x3", 16}, {"conv 1x1", 3}, {"bn", 3},     {"bn+relu", 9},
                 {"bn+add+relu", 8}, {"maxpool", 1},   {"avgpool", 1},  {"linear", 1}, {"load", 0},
                 {"loss", 0},        {"unscale", 0},   {"update", 0}};
    bench_result r;
    profile p;
    double covered = 0;
    for (int i = 0; i < 5 && covered < 0.95; i++) { /* another process may run between two calls */
        assert_ok(bench_steps(&r, &p, small(device, images, size), NULL, true, 2, 1));
        covered = p.known_seconds / p.step_seconds;
        assert_true(covered <= 1);
        assert_int_equal(p.kind_n, sizeof kinds / sizeof *kinds);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            assert_int_equal(kind_of(&p, kinds[k].name)->layers, kinds[k].layers);
        for (int k = 1; k < p.kind_n; k++)
            assert_true(profile_seconds(&p.kind[k]) <= profile_seconds(&p.kind[k - 1]));
        double products = 0, flop = 0;
        for (int k = 0; k < p.layer_n; k++) {
            products += p.layer[k].product ? profile_seconds(&p.layer[k]) : 0;
            for (int pass = 0; pass < ENGINE_PASSES; pass++)
                flop += p.layer[k].work[pass].flop;
        }
        assert_near(profile_beyond_products(&p), 1e3 * (p.step_seconds - products) / images, 1e-9);
        assert_true(flop > 0 && p.layer[0].work[PASS_FORWARD].flop > 0);
        profile_deinit(&p);
    }
    if (covered < 0.95)
        fail_msg("%s: the profile covers %.1f%% of a step", device, 100 * covered);
}

/** Evaluation: the layers' forward passes only, faster than training, without an update. */
static void evaluation(void **state) {
    (void)state;
    bench_result r;
    profile p;
    assert_ok(bench_steps(&r, &p, small("ref", 2, 32), NULL, false, 1, 0));
    assert_true(r.images_per_second > 0 && r.loss > 0 && r.memory.activations > 0);
    for (int k = 0; k < p.kind_n; k++) {
        assert_string_not_equal(p.kind[k].name, "update");
        assert_true(p.kind[k].seconds[PASS_BACKWARD] == 0 && p.kind[k].seconds[PASS_WGRAD] == 0);
    }
    assert_true(kind_of(&p, "conv 3x3")->seconds[PASS_FORWARD] > 0);
    profile_deinit(&p);
}

static void profile_of_ref(void **state) {
    (void)state;
    check_profile("ref", 2, 32);
}

static void profile_of_cpu(void **state) {
    (void)state;
    if (engine_unavailable("cpu") != NULL)
        skip();
    check_profile("cpu", 8, 64);
}

/* A batch that fits on no existing machine. */
static void what_cannot_fit(void **state) {
    (void)state;
    const char *device = engine_unavailable("cpu") == NULL ? "cpu" : "ref";
    bench_result r;
    run_context s;
    engine_plan *p = NULL;
    config *c = small(device, 100 * 1000 * 1000, 32);
    if (run_context_open_engine(&s, c, 10, NULL) != OK || engine_memory_limit(s.engine) == SIZE_MAX)
        skip();
    run_context_close(&s);
    assert_fails(E_NOMEM, "the largest that fits is data.batch_size ", bench_steps(&r, NULL, c, NULL, true, 1, 0));
    long long most = 0;
    assert_true(text_to_int(&most, strrchr(status_message(), ' ') + 1));
    assert_true(most > 0 && most < c->data.batch_size);
    assert_ok(run_context_open_engine(&s, c, 10, NULL));
    size_t bytes = 0, more = 0, limit = engine_memory_limit(s.engine); /* the free memory changes slightly */
    assert_ok(engine_plan_bytes(&bytes, s.engine, (int)most, 32, 32, true));
    assert_true((double)bytes < 1.1 * (double)limit);
    if (engine_plan_bytes(&more, s.engine, (int)most + 1, 32, 32, true) == OK) /* the limit is memory, not oneDNN */
        assert_true((double)bytes > 0.7 * (double)limit);
    c->data.batch_size = (int)(most / 2);
    assert_ok(run_context_compile_batch(&p, &s, c->data.batch_size, true));
    engine_memory m = engine_plan_memory(s.engine, p);
    assert_true(engine_memory_total(&m) <= engine_memory_limit(s.engine));
    run_context_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_reports_the_memory), cmocka_unit_test(evaluation),      cmocka_unit_test(profile_of_ref),
        cmocka_unit_test(profile_of_cpu),          cmocka_unit_test(what_cannot_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
