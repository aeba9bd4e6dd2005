/** Compares a fast engine to PyTorch on the whole model: losses; in fp32 also gradients, whose distance to float64
 *  may be at most three times PyTorch's own. The float64 gradients are the ref engine's, which test_parity_ref
 *  compares to PyTorch. */
#ifndef LINNET_TESTS_ENGINE_PARITY_RUN_H
#define LINNET_TESTS_ENGINE_PARITY_RUN_H

#include "engine/parity.h"

static const char *parity_device = "cpu"; /* device under test */

typedef struct run {
    golden g;
    model *n;
    engine *e;
    engine_plan *p;
    batch b;
} run;

static run run_open(const char *arch, const char *device, precision p, bool zero_gamma) {
    run r = {.g = golden_open(arch)};
    model_options o = {
        .classes = golden_int(&r.g, "classes"), .decay_norm = true, .decay_bias = true, .zero_gamma = zero_gamma};
    r.b = parity_batch_open(golden_int(&r.g, "fp32_batch"), golden_int(&r.g, "fp32_height"),
                            golden_int(&r.g, "fp32_width"));
    parity_batch(&r.b, golden_int(&r.g, "fp32_number"), o.classes, false);
    parity_model(&r.n, arch, &o);
    r.e = parity_engine(device, p, r.n, true);
    assert_ok(engine_compile(&r.p, r.e, r.b.n, r.b.h, r.b.w, true));
    return r;
}

static void run_close(run *r) {
    engine_destroy(r->e);
    model_destroy(r->n);
    batch_deinit(&r->b);
    golden_close(&r->g);
}

static engine_hyper hyper_of(const run *r, int step) {
    return (engine_hyper){.lr = golden_number(&r->g, "fp32_lr"),
                          .momentum = golden_number(&r->g, "momentum"),
                          .weight_decay = golden_number(&r->g, "weight_decay"),
                          .clip_norm = golden_number(&r->g, "clip_norm"),
                          .first_step = step == 0,
                          .loss_scale = 1,
                          .images = r->b.n};
}

static void check_loss(const char *what, double loss, double expected, double tolerance) {
    if (!(fabs(loss - expected) <= tolerance * expected))
        fail_msg("%s: loss %.9g, PyTorch has %.9g", what, loss, expected);
}

/* In 16 bits, PyTorch's own autocast on a CPU deviates here by 9e-4 (ResNet-18) and 3e-4 (ResNet-50). */
static void check_ten_losses(const char *arch, precision p) {
    double tolerance = p == PRECISION_32 ? 1e-4 : 4e-3;
    run r = run_open(arch, parity_device, p, true);
    const golden_line *fp64 = golden_find(&r.g, "ten_losses_fp64"), *fp32 = golden_find(&r.g, "ten_losses_fp32");
    double worst = 0;
    for (int i = 0; i < golden_int(&r.g, "fp32_steps"); i++) {
        engine_hyper h = hyper_of(&r, i);
        parity_gradients(r.e, r.p, &h, &r.b);
        double loss = parity_loss(r.e);
        check_loss("against float64", loss, fp64->value[i], tolerance);
        check_loss("against float32", loss, fp32->value[i], tolerance);
        worst = fmax(worst, fabs(loss / fp64->value[i] - 1));
        assert_ok(engine_update(r.e));
    }
    print_message("%s, %s: ten losses at most %.2g from PyTorch's float64\n", arch, precision_name(p), worst);
    run_close(&r);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* PyTorch's own distance of each gradient, (param_n), and at least their median, because the distance of a single
 * tensor can be small by chance. */
static double own_distances(double *out, const run *r) {
    double sorted[512];
    char key[96];
    int n = r->n->param_n;
    for (int i = 0; i < n; i++) {
        golden_key(key, "distance/%s", r->n->param[i].name);
        sorted[i] = out[i] = golden_number(&r->g, key);
    }
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    return sorted[n / 2];
}

static void check_gradients(run *tested, run *ref) {
    double own[512], median = own_distances(own, tested), worst = 0;
    double *a = malloc(tested->n->weight_n * sizeof *a), *b = malloc(tested->n->weight_n * sizeof *b);
    assert_non_null(a);
    assert_non_null(b);
    for (int i = 0; i < tested->n->param_n; i++) {
        const param *p = &tested->n->param[i];
        assert_ok(engine_read(a, tested->e, ENGINE_GRADIENT, i));
        assert_ok(engine_read(b, ref->e, ENGINE_GRADIENT, i));
        double ratio = relative_error(a, b, p->count) / fmax(own[i], median);
        if (!(ratio <= 3))
            fail_msg("gradient of %s: %.3g times as far from float64 as PyTorch's (%.3g)", p->name, ratio, own[i]);
        worst = fmax(worst, ratio);
    }
    print_message("%s: gradients at most %.3g times as far from float64 as PyTorch's\n", tested->n->arch, worst);
    free(a);
    free(b);
}

static void check_first_step(const char *arch) {
    run tested = run_open(arch, parity_device, PRECISION_32, false), ref = run_open(arch, "ref", PRECISION_32, false);
    engine_hyper h = hyper_of(&tested, 0);
    parity_gradients(ref.e, ref.p, &h, &ref.b);
    check_loss("ref", parity_loss(ref.e), golden_number(&ref.g, "first_loss_fp64"), 1e-10);
    parity_gradients(tested.e, tested.p, &h, &tested.b);
    print_message("%s: first loss %.2g from PyTorch's float64\n", arch,
                  fabs(parity_loss(tested.e) / golden_number(&ref.g, "first_loss_fp64") - 1));
    check_loss("first step", parity_loss(tested.e), golden_number(&ref.g, "first_loss_fp64"), 1e-5);
    check_gradients(&tested, &ref);
    run_close(&tested);
    run_close(&ref);
}

static void test_resnet18_losses(void **state) {
    (void)state;
    check_ten_losses("resnet18", PRECISION_32);
}

static void test_grouped_losses(void **state) {
    (void)state;
    check_ten_losses("grouped", PRECISION_32);
    check_first_step("grouped");
}

static void test_resnet20_losses(void **state) {
    (void)state;
    check_ten_losses("resnet20", PRECISION_32);
    check_first_step("resnet20");
}

static void test_resnet50_losses(void **state) {
    (void)state;
    check_ten_losses("resnet50", PRECISION_32);
}

static void test_resnet18_gradients(void **state) {
    (void)state;
    check_first_step("resnet18");
}

static void test_resnet50_gradients(void **state) {
    (void)state;
    check_first_step("resnet50");
}

#endif
