/* The ref engine against PyTorch in float64: logits, loss, every gradient, running statistics and three SGD steps. */
#include "engine/parity.h"

/* The estimate of a distance from eight projections falls short of the distance by a factor of 4 in one of 10^4 cases;
 * the tolerance is a hundredth of the required 1e-6, which covers that. */
#define TOLERANCE 1e-8

typedef struct run {
    golden g;
    model *n;
    engine *e;
    engine_plan *training, *evaluation;
    batch b;
    double *values; /* (n->weight_n): room for any tensor */
    double worst;
} run;

static void check_tensor(run *r, const char *key, const double *a, size_t n) {
    double distance = golden_distance(&r->g, key, a, n);
    if (!(distance <= TOLERANCE))
        fail_msg("%s is %.3g from PyTorch's", key, distance);
    r->worst = fmax(r->worst, distance);
}

static void check_number(run *r, const char *key, double a) {
    double b = golden_number(&r->g, key), distance = fabs(a - b) / fabs(b);
    if (!(distance <= TOLERANCE))
        fail_msg("%s = %.12g, PyTorch has %.12g", key, a, b);
    r->worst = fmax(r->worst, distance);
}

static engine_hyper hyper_of(const run *r, int step) {
    return (engine_hyper){.lr = golden_number(&r->g, "lr"),
                          .momentum = golden_number(&r->g, "momentum"),
                          .weight_decay = golden_number(&r->g, "weight_decay"),
                          .clip_norm = golden_number(&r->g, "clip_norm"),
                          .label_smoothing = golden_number(&r->g, "smoothing"),
                          .first_step = step == 0,
                          .loss_scale = 1,
                          .images = r->b.n};
}

static run run_open(const char *arch) {
    run r = {.g = golden_open(arch)};
    model_options o = {.classes = golden_int(&r.g, "classes"), .decay_norm = true, .decay_bias = true};
    r.b = parity_batch_open(golden_int(&r.g, "batch"), golden_int(&r.g, "height"), golden_int(&r.g, "width"));
    parity_model(&r.n, arch, &o);
    r.e = parity_engine("ref", PRECISION_32, r.n, false);
    assert_ok(engine_compile(&r.training, r.e, r.b.n, r.b.h, r.b.w, true));
    assert_ok(engine_compile(&r.evaluation, r.e, r.b.n, r.b.h, r.b.w, false));
    r.values = malloc(r.n->weight_n * sizeof *r.values);
    assert_non_null(r.values);
    return r;
}

static void run_close(run *r) {
    free(r->values);
    engine_destroy(r->e);
    model_destroy(r->n);
    batch_deinit(&r->b);
    golden_close(&r->g);
}

static void check_logits(run *r, engine_plan *p, const char *key) {
    assert_ok(engine_read_tensor(r->values, r->e, p, r->n->layer_n - 1));
    check_tensor(r, key, r->values, (size_t)r->b.n * (size_t)r->n->classes);
}

static void check_stats(run *r, const char *prefix) {
    char key[96];
    for (int i = 0; i < r->n->stats_n; i++) {
        const model_stats *s = &r->n->stats[i];
        assert_ok(engine_read(r->values, r->e, ENGINE_STATS, i));
        golden_key(key, "%s/%s.running_mean", prefix, s->name);
        check_tensor(r, key, r->values, (size_t)s->c);
        golden_key(key, "%s/%s.running_var", prefix, s->name);
        check_tensor(r, key, r->values + s->c, (size_t)s->c);
    }
}

static void check_gradients(run *r) {
    char key[96];
    for (int i = 0; i < r->n->param_n; i++) {
        assert_ok(engine_read(r->values, r->e, ENGINE_GRADIENT, i));
        golden_key(key, "gradient/%s", r->n->param[i].name);
        check_tensor(r, key, r->values, r->n->param[i].count);
    }
}

/* What all steps together changed: weights minus the first weights. */
static void check_changes(run *r) {
    double *start = malloc(r->n->weight_n * sizeof *start);
    char key[96];
    assert_non_null(start);
    for (int i = 0; i < r->n->param_n; i++) {
        const param *p = &r->n->param[i];
        parity_values(start, p->name, p, false);
        assert_ok(engine_read(r->values, r->e, ENGINE_WEIGHT, i));
        for (size_t k = 0; k < p->count; k++)
            r->values[k] -= start[k];
        golden_key(key, "change/%s", p->name);
        check_tensor(r, key, r->values, p->count);
    }
    free(start);
}

static void evaluate(run *r) {
    engine_hyper h = hyper_of(r, 0);
    parity_batch(&r->b, 0, r->n->classes, golden_int(&r->g, "mixed"));
    assert_ok(engine_set_hyper(r->e, &h));
    assert_ok(engine_reset_result(r->e));
    assert_ok(engine_load_batch(r->e, r->evaluation, &r->b));
    assert_ok(engine_forward(r->e, r->evaluation));
    assert_ok(engine_loss(r->e, r->evaluation));
    check_logits(r, r->evaluation, "eval_logits");
    engine_result_data result;
    assert_ok(engine_result(&result, r->e));
    check_number(r, "eval_loss", result.loss_sum / r->b.n);
}

static void step(run *r, int number) {
    engine_hyper h = hyper_of(r, number);
    engine_result_data result;
    char key[96];
    parity_batch(&r->b, number, r->n->classes, golden_int(&r->g, "mixed"));
    parity_gradients(r->e, r->training, &h, &r->b);
    golden_key(key, "logits.%d", number);
    check_logits(r, r->training, key);
    assert_ok(engine_result(&result, r->e));
    golden_key(key, "loss.%d", number);
    check_number(r, key, result.loss_sum / r->b.n);
    golden_key(key, "grad_norm.%d", number);
    check_number(r, key, result.grad_norm);
    golden_key(key, "top.%d", number);
    assert_int_equal(result.top1, golden_find(&r->g, key)->value[0]);
    assert_int_equal(result.top5, golden_find(&r->g, key)->value[1]);
    if (number == 0) {
        check_gradients(r);
        check_stats(r, "stats.0");
    }
    assert_ok(engine_update(r->e));
}

static void check_arch(const char *arch) {
    run r = run_open(arch);
    int steps = golden_int(&r.g, "steps");
    evaluate(&r);
    for (int i = 0; i < steps; i++)
        step(&r, i);
    check_changes(&r);
    check_stats(&r, "stats");
    print_message("%s: farthest tensor %.2g from PyTorch's float64\n", arch, r.worst);
    run_close(&r);
}

static void test_resnet18(void **state) {
    (void)state;
    check_arch("resnet18");
}

static void test_resnet50(void **state) {
    (void)state;
    check_arch("resnet50");
}

static void test_resnet20(void **state) {
    (void)state;
    check_arch("resnet20");
}

static void test_grouped(void **state) {
    (void)state;
    check_arch("grouped");
}

/* The estimate itself: it finds an error of known size, in one element or spread over all. */
static void test_estimate(void **state) {
    (void)state;
    enum { N = 4096 };
    static double a[N], b[N];
    golden_line line = {.key = "t", .n = 1 + PROJECTIONS};
    golden g = {.line = &line, .n = 1};
    double norm = 0;
    for (size_t i = 0; i < N; i++) {
        b[i] = hashed_unit(1, i);
        norm += b[i] * b[i];
        for (int k = 0; k < PROJECTIONS; k++)
            line.value[1 + k] += (hashed(name_hash("signs"), i) >> k & 1) != 0 ? -b[i] : b[i];
    }
    line.value[0] = norm = sqrt(norm);
    assert_true(golden_distance(&g, "t", b, N) < 1e-14);
    memcpy(a, b, sizeof a);
    a[N / 3] += 1e-6 * norm;
    assert_true(fabs(golden_distance(&g, "t", a, N) - 1e-6) < 1e-9);
    for (size_t i = 0; i < N; i++)
        a[i] = b[i] + 1e-6 * norm / sqrt(N) * (hashed(7, i) & 1 ? 1 : -1);
    double spread = golden_distance(&g, "t", a, N);
    assert_true(spread > 0.25e-6 && spread < 2e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_estimate), cmocka_unit_test(test_resnet18), cmocka_unit_test(test_resnet50),
        cmocka_unit_test(test_resnet20), cmocka_unit_test(test_grouped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
