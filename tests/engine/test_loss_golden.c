/* The loss of a batch and its gradient against those of PyTorch and timm (tests/golden/loss_make.py), on every device;
 * and the gradient against finite differences. The logits are those of a linear layer whose input the test sets. */
#include "small_models.h"

enum { IMAGES = 5, CLASSES = 7, CHANNELS = 3 };

typedef struct loss_case {
    int number;
    engine_hyper hyper;
    double loss, gradient[IMAGES * CLASSES];
} loss_case;

static void wave(double *out, int n, double phase, double factor) {
    for (int i = 0; i < n; i++)
        out[i] = factor * sin(1.7 * i + phase);
}

typedef struct fixture {
    model *model;
    engine *e;
    engine_plan *p;
    batch batch;
} fixture;

static fixture fixture_open(const char *device) {
    fixture f = {0};
    engine_options o = engine_options_default();
    double weight[CLASSES];
    int i = 0;
    o.keep_tensors = true;
    assert_ok(model_create_empty(&f.model, "loss", CLASSES));
    assert_ok(model_add_linear(&i, f.model, "fc", MODEL_INPUT, CHANNELS, CLASSES));
    assert_ok(engine_create(&f.e, device, f.model, &o));
    for (int j = 0; j < CLASSES; j++)
        weight[j] = 0.25 * (j + 1);
    assert_ok(engine_set_class_weights(f.e, weight));
    assert_ok(engine_compile(&f.p, f.e, IMAGES, 1, 1, true));
    assert_ok(batch_init(&f.batch, IMAGES, 1, 1));
    f.batch.n = IMAGES;
    return f;
}

static void fixture_close(fixture *f) {
    batch_deinit(&f->batch);
    engine_destroy(f->e);
    model_destroy(f->model);
}

/** The mean loss with `bias`, and the gradient of the logits. */
static double loss_of(double *gradient, fixture *f, const loss_case *c, const double *bias) {
    double x[IMAGES * CHANNELS], w[CLASSES * CHANNELS];
    engine_result_data r;
    wave(x, IMAGES * CHANNELS, c->number, 1);
    wave(w, CLASSES * CHANNELS, c->number + 0.5, 2);
    for (int i = 0; i < IMAGES; i++) {
        f->batch.label[i] = (3 * i + c->number) % CLASSES;
        f->batch.label_b[i] = c->hyper.loss.soft ? (5 * i + 1 + c->number) % CLASSES : f->batch.label[i];
        f->batch.mix[i] = c->hyper.loss.soft ? 1 - 0.125f * (float)(i % 4) : 1;
    }
    assert_ok(engine_set_hyper(f->e, &c->hyper));
    assert_ok(engine_write(f->e, ENGINE_WEIGHT, 0, w));
    assert_ok(engine_write(f->e, ENGINE_WEIGHT, 1, bias));
    assert_ok(engine_reset_result(f->e));
    assert_ok(engine_load_batch(f->e, f->p, &f->batch));
    assert_ok(engine_write_input(f->e, f->p, x));
    assert_ok(engine_forward(f->e, f->p));
    assert_ok(engine_loss(f->e, f->p));
    assert_ok(engine_result(&r, f->e));
    assert_int_equal(r.images, IMAGES);
    assert_ok(engine_read_tensor_gradient(gradient, f->e, f->p, 0));
    return r.loss_sum / IMAGES;
}

/** @return false at the end of the file */
static bool read_case(loss_case *c, FILE *f, int number) {
    int binary = 0, weighted = 0, soft = 0, sum = 0;
    double smoothing = 0, threshold = 0;
    if (fscanf(f, "%d%d%d%lf%lf%d", &binary, &weighted, &soft, &smoothing, &threshold, &sum) != 6)
        return false;
    *c = (loss_case){.number = number};
    c->hyper = (engine_hyper){.loss_scale = 1, .images = IMAGES, .label_smoothing = smoothing};
    c->hyper.loss = (engine_loss_options){
        .binary = binary, .bce = {.sum = sum, .threshold = threshold}, .weighted = weighted, .soft = soft};
    assert_int_equal(fscanf(f, "%lf", &c->loss), 1);
    for (int i = 0; i < IMAGES * CLASSES; i++)
        assert_int_equal(fscanf(f, "%lf", &c->gradient[i]), 1);
    return true;
}

static void check_differences(fixture *f, const loss_case *c, const double *gradient, const double *bias) {
    const double h = 1e-5;
    double other[IMAGES * CLASSES], moved[CLASSES];
    for (int j = 0; j < CLASSES; j++) {
        double sum = 0;
        for (int i = 0; i < IMAGES; i++)
            sum += gradient[i * CLASSES + j];
        memcpy(moved, bias, sizeof moved);
        moved[j] = bias[j] + h;
        double above = loss_of(other, f, c, moved);
        moved[j] = bias[j] - h;
        double below = loss_of(other, f, c, moved);
        assert_true(fabs((above - below) / (2 * h) - sum) < 1e-8);
    }
}

static void check_device(const char *device, double tolerance, bool differences) {
    if (engine_unavailable(device) != NULL) {
        print_message("no %s engine here\n", device);
        return;
    }
    FILE *file = fopen(SOURCE_DIR "/tests/golden/loss_golden.txt", "r");
    assert_non_null(file);
    fixture f = fixture_open(device);
    loss_case c;
    int n = 0;
    for (; read_case(&c, file, n); n++) {
        double gradient[IMAGES * CLASSES], bias[CLASSES];
        wave(bias, CLASSES, c.number + 0.25, 1);
        double loss = loss_of(gradient, &f, &c, bias);
        if (!(fabs(loss - c.loss) <= tolerance * c.loss))
            fail_msg("%s, case %d: loss %.12g, expected %.12g", device, n, loss, c.loss);
        for (int i = 0; i < IMAGES * CLASSES; i++)
            if (!(fabs(gradient[i] - c.gradient[i]) <= tolerance))
                fail_msg("%s, case %d: gradient %d is %.12g, expected %.12g", device, n, i, gradient[i], c.gradient[i]);
        if (differences)
            check_differences(&f, &c, gradient, bias);
    }
    assert_int_equal(n, 24);
    fixture_close(&f);
    fclose(file);
}

static void ref(void **state) {
    (void)state;
    check_device("ref", 1e-13, true);
}

static void cpu(void **state) {
    (void)state;
    check_device("cpu", 1e-6, false);
}

static void cuda(void **state) {
    (void)state;
    check_device("cuda", 1e-6, false);
}

/** Weights that cannot be used; a weighted loss without weights; a batch whose weights are all 0. */
static void odd_weights(void **state) {
    (void)state;
    fixture f = fixture_open("ref");
    engine *without = NULL;
    engine_options o = engine_options_default();
    double bias[CLASSES] = {0}, gradient[IMAGES * CLASSES], zero[CLASSES] = {0};
    loss_case c = {.hyper = {.loss_scale = 1, .images = IMAGES, .loss = {.weighted = true}}};
    assert_fails(E_OPTION, "class weights are all 0", engine_set_class_weights(f.e, zero));
    zero[6] = -1;
    assert_fails(E_OPTION, "the weight -1 of class 6", engine_set_class_weights(f.e, zero));
    zero[6] = NAN;
    assert_fails(E_OPTION, "class 6", engine_set_class_weights(f.e, zero));
    zero[6] = 0;
    zero[1] = 1; /* the labels are 0, 3, 6, 2 and 5 */
    assert_ok(engine_set_class_weights(f.e, zero));
    assert_true(loss_of(gradient, &f, &c, bias) == 0);
    for (int i = 0; i < IMAGES * CLASSES; i++)
        assert_true(gradient[i] == 0);
    assert_ok(engine_create(&without, "ref", f.model, &o));
    assert_fails(E_OPTION, "no class weights are set", engine_set_hyper(without, &c.hyper));
    engine_destroy(without);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ref), cmocka_unit_test(cpu), cmocka_unit_test(cuda),
                                       cmocka_unit_test(odd_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
