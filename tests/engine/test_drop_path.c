/* Stochastic depth on every device against timm's (tests/golden/drop_path_make.py), and what it needs. */
#include "small_models.h"

enum { IMAGES = 3, SIDE = 2, CHANNELS = 4, COUNT = IMAGES * SIDE * SIDE * CHANNELS };

typedef struct fixture {
    model *model;
    engine *e;
    engine_plan *p;
} fixture;

/** A batch norm of the input, with a copy of the input as its residual. */
static fixture fixture_open(const char *device, double rate) {
    fixture f = {0};
    engine_options o = engine_options_default();
    double gamma[CHANNELS], beta[CHANNELS];
    int copy = 0, bn = 0;
    o.keep_tensors = o.input_gradient = true;
    assert_ok(model_create_empty(&f.model, "drop", CHANNELS));
    assert_ok(model_add_maxpool(&copy, f.model, "copy", MODEL_INPUT, CHANNELS, 1, 1, 0));
    assert_ok(model_add_bn(&bn, f.model, "bn", MODEL_INPUT, CHANNELS, copy, true));
    assert_ok(model_set_drop_path(f.model, bn, rate));
    assert_ok(engine_create(&f.e, device, f.model, &o));
    for (int k = 0; k < CHANNELS; k++) {
        gamma[k] = sin(1.7 * k + 1) + 1.5;
        beta[k] = sin(1.7 * k + 2);
    }
    assert_ok(engine_write(f.e, ENGINE_WEIGHT, 0, gamma));
    assert_ok(engine_write(f.e, ENGINE_WEIGHT, 1, beta));
    assert_ok(engine_compile(&f.p, f.e, IMAGES, SIDE, SIDE, true));
    return f;
}

static void fixture_close(fixture *f) {
    engine_destroy(f->e);
    model_destroy(f->model);
}

/** Draws until the kept images are those of the pattern. */
static void draw(fixture *f, int pattern) {
    for (uint64_t number = 0;; number++) {
        random_stream r = random_open(5, 2, number, RANDOM_DROP_PATH);
        uint8_t kept[IMAGES];
        int drawn = 0;
        model_draw_drop_path(kept, f->model, IMAGES, &r);
        for (int i = 0; i < IMAGES; i++)
            drawn |= kept[i] << i;
        if (drawn != pattern)
            continue;
        assert_ok(engine_draw_drop_path(f->e, f->p, 5, 2, number));
        return;
    }
}

static void wave(double *out, double phase) {
    for (int i = 0; i < COUNT; i++)
        out[i] = sin(1.7 * i + phase);
}

/** Compares with n numbers of the file. */
static void compare(const double *values, int n, FILE *file, const char *what, double tolerance) {
    for (int i = 0; i < n; i++) {
        double expected = 0;
        assert_int_equal(fscanf(file, "%lf", &expected), 1);
        if (!(fabs(values[i] - expected) <= tolerance))
            fail_msg("%s: value %d is %.12g, expected %.12g", what, i, values[i], expected);
    }
}

static void check_case(fixture *f, int pattern, FILE *file, double tolerance) {
    double x[COUNT], y[COUNT], dy[COUNT], dx[COUNT], residual[COUNT], dgamma[CHANNELS], dbeta[CHANNELS];
    wave(x, 0.25);
    wave(dy, 1.25);
    draw(f, pattern);
    assert_ok(engine_write_input(f->e, f->p, x));
    assert_ok(engine_forward(f->e, f->p));
    assert_ok(engine_read_tensor(y, f->e, f->p, 1));
    assert_ok(engine_write_output_gradient(f->e, f->p, dy));
    assert_ok(engine_backward(f->e, f->p, ENGINE_FIRST | ENGINE_LAST));
    assert_ok(engine_read_tensor_gradient(dx, f->e, f->p, MODEL_INPUT)); /* the sum of both branches */
    assert_ok(engine_read_tensor_gradient(residual, f->e, f->p, 0));
    assert_ok(engine_read(dgamma, f->e, ENGINE_GRADIENT, 0));
    assert_ok(engine_read(dbeta, f->e, ENGINE_GRADIENT, 1));
    for (int i = 0; i < COUNT; i++)
        dx[i] -= residual[i];
    compare(y, COUNT, file, "y", tolerance);
    compare(dx, COUNT, file, "dx", tolerance);
    compare(residual, COUNT, file, "dresidual", tolerance);
    compare(dgamma, CHANNELS, file, "dgamma", tolerance);
    compare(dbeta, CHANNELS, file, "dbeta", tolerance);
}

static void check_device(const char *device, double tolerance) {
    if (engine_unavailable(device) != NULL) {
        print_message("no %s engine here\n", device);
        return;
    }
    FILE *file = fopen(SOURCE_DIR "/tests/golden/drop_path_golden.txt", "r");
    char model_line[2048];
    double rate = 0;
    int pattern = 0, cases = 0;
    assert_non_null(file);
    for (int i = 0; i < 3; i++) /* the rates of models: tests/model/test_resnet.c */
        assert_non_null(fgets(model_line, sizeof model_line, file));
    for (; fscanf(file, "%lf%d", &rate, &pattern) == 2; cases++) {
        fixture f = fixture_open(device, rate);
        check_case(&f, pattern, file, tolerance);
        fixture_close(&f);
    }
    assert_int_equal(cases, 16);
    fclose(file);
}

static void ref(void **state) {
    (void)state;
    check_device("ref", 1e-10);
}

static void cpu(void **state) {
    (void)state;
    check_device("cpu", 1e-5);
}

static void cuda(void **state) {
    (void)state;
    check_device("cuda", 1e-5);
}

/** A forward without draws, or with those of another batch size, fails; evaluation does not drop. */
static void needs_draws(void **state) {
    (void)state;
    static const char *const device[] = {"ref", "cpu", "cuda"};
    for (int i = 0; i < 3; i++) {
        if (engine_unavailable(device[i]) != NULL)
            continue;
        fixture f = fixture_open(device[i], 0.5), plain = fixture_open(device[i], 0);
        engine_plan *one = NULL, *evaluation = NULL, *expected = NULL;
        double x[COUNT], a[COUNT], b[COUNT];
        wave(x, 0.25);
        assert_ok(engine_write_input(f.e, f.p, x));
        assert_fails(E_SHAPE, "not loaded for 3 images", engine_forward(f.e, f.p));
        assert_ok(engine_compile(&one, f.e, 1, SIDE, SIDE, true));
        assert_ok(engine_draw_drop_path(f.e, one, 1, 0, 0));
        assert_ok(engine_write_input(f.e, f.p, x));
        assert_fails(E_SHAPE, "not loaded for 3 images", engine_forward(f.e, f.p));
        assert_ok(engine_compile(&evaluation, f.e, IMAGES, SIDE, SIDE, false));
        assert_ok(engine_compile(&expected, plain.e, IMAGES, SIDE, SIDE, false));
        assert_ok(engine_write_input(f.e, evaluation, x));
        assert_ok(engine_write_input(plain.e, expected, x));
        assert_ok(engine_forward(f.e, evaluation));
        assert_ok(engine_forward(plain.e, expected));
        assert_ok(engine_read_tensor(a, f.e, evaluation, 1));
        assert_ok(engine_read_tensor(b, plain.e, expected, 1));
        assert_memory_equal(a, b, sizeof a);
        fixture_close(&f);
        fixture_close(&plain);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ref), cmocka_unit_test(cpu), cmocka_unit_test(cuda),
                                       cmocka_unit_test(needs_draws)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
