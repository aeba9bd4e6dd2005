/* Each kind of layer of the reference device: its forward against a direct transcription of the formula, its backward
 * against finite differences of the forward. */
#include "small_models.h"

typedef struct fixture {
    model *model;
    engine *e;
    engine_plan *p;
    size_t x_n, y_n;
    double *x, *dy, *y;
    /* directions */
    double *vx, *vw, *w;
} fixture;

static fixture fixture_open(model *n, int images, int h, int w) {
    fixture f = {.model = n};
    engine_options o = engine_options_default();
    o.keep_tensors = o.input_gradient = true;
    assert_ok(engine_create(&f.e, "ref", n, &o));
    assert_ok(engine_init_weights(f.e, 3));
    perturb_weights(f.e, n, 0.3, 5);
    assert_ok(engine_compile(&f.p, f.e, images, h, w, true));
    f.x_n = tensor_count(engine_tensor_shape(f.p, MODEL_INPUT));
    f.y_n = tensor_count(engine_tensor_shape(f.p, n->layer_n - 1));
    f.x = allocated(f.x_n, sizeof *f.x);
    f.vx = allocated(f.x_n, sizeof *f.vx);
    f.y = allocated(f.y_n, sizeof *f.y);
    f.dy = allocated(f.y_n, sizeof *f.dy);
    f.vw = allocated(n->weight_n, sizeof *f.vw);
    fill_normal(f.x, f.x_n, 11);
    fill_normal(f.vx, f.x_n, 12);
    fill_normal(f.dy, f.y_n, 13);
    fill_normal(f.vw, n->weight_n, 14);
    size_t count = 0;
    f.w = read_all(&count, f.e, n, ENGINE_WEIGHT);
    return f;
}

static void fixture_close(fixture *f) {
    free(f->x);
    free(f->vx);
    free(f->y);
    free(f->dy);
    free(f->vw);
    free(f->w);
    engine_destroy(f->e);
    model_destroy(f->model);
}

static void forward(fixture *f) {
    assert_ok(engine_write_input(f->e, f->p, f->x));
    assert_ok(engine_forward(f->e, f->p));
    assert_ok(engine_read_tensor(f->y, f->e, f->p, f->model->layer_n - 1));
}

/** <dy, y> after x and all weights have moved by t along their directions. */
static double moved(void *context, double t) {
    fixture *f = context;
    double *x = allocated(f->x_n, sizeof *x), *w = allocated(f->model->weight_n, sizeof *w);
    for (size_t i = 0; i < f->x_n; i++)
        x[i] = f->x[i] + t * f->vx[i];
    for (size_t i = 0; i < f->model->weight_n; i++)
        w[i] = f->w[i] + t * f->vw[i];
    write_all(f->e, f->model, ENGINE_WEIGHT, w);
    assert_ok(engine_write_input(f->e, f->p, x));
    assert_ok(engine_forward(f->e, f->p));
    assert_ok(engine_read_tensor(f->y, f->e, f->p, f->model->layer_n - 1));
    write_all(f->e, f->model, ENGINE_WEIGHT, f->w);
    free(x);
    free(w);
    return dot(f->y, f->dy, f->y_n);
}

/** Gradients against finite differences: along x, along each parameter, and along all together; then checks
 * that a second backward adds the same values again. */
static void check_gradients(fixture *f) {
    size_t n = 0;
    forward(f);
    assert_ok(engine_write_output_gradient(f->e, f->p, f->dy));
    assert_ok(engine_backward(f->e, f->p, ENGINE_FIRST));
    double *dx = allocated(f->x_n, sizeof *dx);
    assert_ok(engine_read_tensor_gradient(dx, f->e, f->p, MODEL_INPUT));
    double *dw = read_all(&n, f->e, f->model, ENGINE_GRADIENT);
    double *vx = allocated(f->x_n, sizeof *vx), *vw = allocated(n, sizeof *vw);
    memcpy(vx, f->vx, f->x_n * sizeof *vx);
    memcpy(vw, f->vw, n * sizeof *vw);
    for (int only = -2; only < f->model->param_n; only++) { /* -2: all, -1: x */
        memset(f->vx, 0, f->x_n * sizeof *vx);
        memset(f->vw, 0, n * sizeof *vw);
        if (only < 0)
            memcpy(f->vx, vx, f->x_n * sizeof *vx);
        for (int i = 0; i < f->model->param_n; i++)
            if (only == -2 || only == i)
                memcpy(f->vw + f->model->param[i].offset, vw + f->model->param[i].offset,
                       f->model->param[i].count * sizeof *vw);
        assert_close(dot(dx, f->vx, f->x_n) + dot(dw, f->vw, n), derivative(moved, f), 1e-7);
    }
    forward(f);
    assert_ok(engine_write_output_gradient(f->e, f->p, f->dy));
    assert_ok(engine_backward(f->e, f->p, 0));
    double *twice = read_all(&n, f->e, f->model, ENGINE_GRADIENT);
    for (size_t i = 0; i < n; i++)
        assert_close(twice[i], 2 * dw[i], 1e-12);
    free(dx);
    free(dw);
    free(vx);
    free(vw);
    free(twice);
}

static size_t nhwc(tensor_shape s, int n, int h, int w, int c) {
    return (((size_t)n * (size_t)s.h + (size_t)h) * (size_t)s.w + (size_t)w) * (size_t)s.c + (size_t)c;
}

static double conv_at(const fixture *f, tensor_shape x, const layer *l, int n, int p, int q, int k) {
    int c_n = l->in_c / l->groups, first = k / (l->out_c / l->groups) * c_n;
    double sum = 0;
    for (int c = 0; c < c_n; c++)
        for (int r = 0; r < l->kernel; r++)
            for (int s = 0; s < l->kernel; s++) {
                int h = p * l->stride + r - l->pad, w = q * l->stride + s - l->pad;
                if (h < 0 || h >= x.h || w < 0 || w >= x.w)
                    continue;
                size_t i = (((size_t)k * (size_t)c_n + (size_t)c) * (size_t)l->kernel + (size_t)r) * (size_t)l->kernel;
                sum += f->x[nhwc(x, n, h, w, first + c)] * f->w[i + (size_t)s];
            }
    return sum;
}

static void check_conv(int images, int h, int w, int in_c, int out_c, int kernel, int stride, int pad, int groups) {
    model *n = NULL;
    int i = 0;
    assert_ok(model_create_empty(&n, "conv", 1));
    assert_ok(model_add_grouped_conv(&i, n, "conv", MODEL_INPUT, in_c, out_c, kernel, stride, pad, groups));
    fixture f = fixture_open(n, images, h, w);
    forward(&f);
    tensor_shape x = engine_tensor_shape(f.p, MODEL_INPUT), y = engine_tensor_shape(f.p, 0);
    assert_int_equal(y.h, (h + 2 * pad - kernel) / stride + 1);
    for (int m = 0; m < y.n; m++)
        for (int p = 0; p < y.h; p++)
            for (int q = 0; q < y.w; q++)
                for (int k = 0; k < y.c; k++)
                    assert_close(f.y[nhwc(y, m, p, q, k)], conv_at(&f, x, &n->layer[0], m, p, q, k), 1e-12);
    check_gradients(&f);
    fixture_close(&f);
}

static void conv(void **state) {
    (void)state;
    check_conv(2, 7, 5, 3, 8, 3, 1, 1, 1);
    check_conv(1, 17, 18, 3, 9, 7, 2, 3, 1);  /* the stem; 81 pixels, odd tiles */
    check_conv(3, 6, 6, 5, 4, 1, 2, 0, 1);    /* a shortcut: some pixels are not read */
    check_conv(2, 20, 20, 4, 16, 3, 1, 1, 1); /* several blocks of pixels, one across images */
    check_conv(2, 6, 7, 8, 12, 3, 2, 1, 4);   /* groups */
    check_conv(1, 4, 4, 6, 6, 3, 1, 2, 6);    /* depthwise, padding wider than needed */
}

static model *bn_model(int c, bool residual, bool relu) {
    model *n = NULL;
    int i = 0;
    assert_ok(model_create_empty(&n, "bn", 1));
    assert_ok(model_add_bn(&i, n, "bn", MODEL_INPUT, c, residual ? MODEL_INPUT : TENSOR_NONE, relu));
    return n;
}

/** y, and the running statistics after two steps. */
static void check_bn_values(fixture *f, bool residual, bool relu) {
    size_t c = (size_t)f->model->layer[0].in_c, m = f->x_n / c;
    double stats[64], expected[64];
    for (size_t k = 0; k < c; k++)
        expected[k] = 0, expected[c + k] = 1;
    for (int step = 0; step < 2; step++) {
        forward(f);
        for (size_t k = 0; k < c; k++) {
            double mean = 0, var = 0;
            for (size_t i = k; i < f->x_n; i += c)
                mean += f->x[i] / (double)m;
            for (size_t i = k; i < f->x_n; i += c)
                var += (f->x[i] - mean) * (f->x[i] - mean) / (double)m;
            for (size_t i = k; i < f->x_n; i += c) {
                double v = f->w[k] * (f->x[i] - mean) / sqrt(var + 1e-5) + f->w[c + k] + (residual ? f->x[i] : 0);
                assert_close(f->y[i], relu && v < 0 ? 0 : v, 1e-12);
            }
            expected[k] = 0.9 * expected[k] + 0.1 * mean;
            expected[c + k] = 0.9 * expected[c + k] + 0.1 * var * (double)m / (double)(m - 1);
        }
    }
    assert_ok(engine_read(stats, f->e, ENGINE_STATS, 0));
    for (size_t k = 0; k < 2 * c; k++)
        assert_close(stats[k], expected[k], 1e-12);
}

static void check_bn_evaluation(fixture *f, bool residual, bool relu) {
    size_t c = (size_t)f->model->layer[0].in_c;
    double stats[64];
    engine_plan *p = NULL;
    tensor_shape x = engine_tensor_shape(f->p, MODEL_INPUT);
    assert_ok(engine_compile(&p, f->e, x.n, x.h, x.w, false));
    assert_ok(engine_read(stats, f->e, ENGINE_STATS, 0));
    assert_ok(engine_write_input(f->e, p, f->x));
    assert_ok(engine_forward(f->e, p));
    assert_ok(engine_read_tensor(f->y, f->e, p, 0));
    for (size_t i = 0; i < f->x_n; i++) {
        size_t k = i % c;
        double v = f->w[k] * (f->x[i] - stats[k]) / sqrt(stats[c + k] + 1e-5) + f->w[c + k] + (residual ? f->x[i] : 0);
        assert_close(f->y[i], relu && v < 0 ? 0 : v, 1e-12);
    }
    double after[64];
    assert_ok(engine_read(after, f->e, ENGINE_STATS, 0));
    assert_memory_equal(stats, after, 2 * c * sizeof *stats);
}

static void bn(void **state) {
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        bool residual = variant & 1, relu = variant & 2;
        fixture f = fixture_open(bn_model(6, residual, relu), 3, 4, 5);
        for (size_t i = 0; i < f.x_n; i++)
            f.x[i] = 2 * f.x[i] + 3 * (double)(i % 6); /* means that differ */
        check_bn_values(&f, residual, relu);
        check_bn_evaluation(&f, residual, relu);
        check_gradients(&f);
        fixture_close(&f);
    }
}

static void maxpool(void **state) {
    (void)state;
    const int shape[][5] = {{9, 8, 3, 2, 1}, {8, 8, 2, 2, 0}, {7, 5, 3, 1, 1}}; /* h, w, kernel, stride, pad */
    for (int v = 0; v < 3; v++) {
        const int *s = shape[v];
        model *n = NULL;
        int i = 0;
        assert_ok(model_create_empty(&n, "maxpool", 1));
        assert_ok(model_add_maxpool(&i, n, "pool", MODEL_INPUT, 5, s[2], s[3], s[4]));
        fixture f = fixture_open(n, 2, s[0], s[1]);
        for (size_t k = 0; k < f.x_n; k++)
            f.x[k] -= 4; /* the maximum must not be a padding value */
        forward(&f);
        tensor_shape x = engine_tensor_shape(f.p, MODEL_INPUT), y = engine_tensor_shape(f.p, 0);
        for (size_t k = 0; k < f.y_n; k++) {
            int c = (int)k % y.c, q = (int)k / y.c % y.w, p = (int)k / y.c / y.w % y.h, m = (int)k / y.c / y.w / y.h;
            double best = -INFINITY;
            for (int h = p * s[3] - s[4]; h < p * s[3] - s[4] + s[2]; h++)
                for (int w = q * s[3] - s[4]; w < q * s[3] - s[4] + s[2]; w++)
                    if (h >= 0 && h < x.h && w >= 0 && w < x.w)
                        best = fmax(best, f.x[nhwc(x, m, h, w, c)]);
            assert_true(f.y[k] == best);
        }
        check_gradients(&f);
        fixture_close(&f);
    }
}

static void shortcut(void **state) {
    (void)state;
    const int shape[][5] = {{8, 7, 4, 8, 2}, {5, 5, 3, 3, 3}, {4, 3, 1, 5, 1}}; /* h, w, channels of x and y, stride */
    for (int v = 0; v < 3; v++) {
        const int *s = shape[v];
        model *n = NULL;
        int i = 0;
        assert_ok(model_create_empty(&n, "shortcut", 1));
        assert_ok(model_add_shortcut(&i, n, "shortcut", MODEL_INPUT, s[2], s[3], s[4]));
        fixture f = fixture_open(n, 2, s[0], s[1]);
        forward(&f);
        tensor_shape x = engine_tensor_shape(f.p, MODEL_INPUT), y = engine_tensor_shape(f.p, 0);
        assert_int_equal(y.h, (s[0] + s[4] - 1) / s[4]);
        for (size_t k = 0; k < f.y_n; k++) {
            int c = (int)k % y.c - (y.c - x.c) / 2, q = (int)k / y.c % y.w, p = (int)k / y.c / y.w % y.h;
            int m = (int)k / y.c / y.w / y.h;
            assert_true(f.y[k] == (c >= 0 && c < x.c ? f.x[nhwc(x, m, p * s[4], q * s[4], c)] : 0));
        }
        check_gradients(&f);
        fixture_close(&f);
    }
}

/** Equal values: the first of the window gets the gradient. A NaN is the maximum. */
static void maxpool_ties(void **state) {
    (void)state;
    model *n = NULL;
    int i = 0;
    assert_ok(model_create_empty(&n, "maxpool", 1));
    assert_ok(model_add_maxpool(&i, n, "pool", MODEL_INPUT, 1, 2, 2, 0));
    fixture f = fixture_open(n, 1, 2, 6);
    const double x[12] = {1, 7, 5, 5, 2, NAN, 7, 7, 5, 5, 9, 3}, dx_expected[12] = {0, 1, 1, 0, 0, 1};
    const double dy[3] = {1, 1, 1};
    double dx[12];
    memcpy(f.x, x, sizeof x);
    forward(&f);
    assert_true(f.y[0] == 7 && f.y[1] == 5 && isnan(f.y[2]));
    assert_ok(engine_write_output_gradient(f.e, f.p, dy));
    assert_ok(engine_backward(f.e, f.p, ENGINE_FIRST));
    assert_ok(engine_read_tensor_gradient(dx, f.e, f.p, MODEL_INPUT));
    assert_memory_equal(dx, dx_expected, sizeof dx);
    fixture_close(&f);
}

static void avgpool(void **state) {
    (void)state;
    model *n = NULL;
    int i = 0;
    assert_ok(model_create_empty(&n, "avgpool", 1));
    assert_ok(model_add_avgpool(&i, n, "pool", MODEL_INPUT, 3));
    fixture f = fixture_open(n, 2, 3, 5);
    forward(&f);
    for (size_t k = 0; k < f.y_n; k++) {
        double mean = 0;
        for (size_t s = 0; s < 15; s++)
            mean += f.x[k / 3 * 45 + 3 * s + k % 3] / 15;
        assert_close(f.y[k], mean, 1e-13);
    }
    check_gradients(&f);
    fixture_close(&f);
}

static void linear(void **state) {
    (void)state;
    model *n = NULL;
    int i = 0;
    assert_ok(model_create_empty(&n, "linear", 9));
    assert_ok(model_add_linear(&i, n, "fc", MODEL_INPUT, 13, 9));
    fixture f = fixture_open(n, 6, 1, 1);
    forward(&f);
    for (size_t k = 0; k < f.y_n; k++)
        assert_close(f.y[k], dot(f.x + k / 9 * 13, f.w + k % 9 * 13, 13) + f.w[13 * 9 + k % 9], 1e-12);
    check_gradients(&f);
    fixture_close(&f);
}

/** Without keep_tensors and input_gradient the first layer has no dx. */
static void no_input_gradient(void **state) {
    (void)state;
    model *n = NULL;
    int i = 0;
    engine *e = NULL;
    engine_plan *p = NULL;
    assert_ok(model_create_empty(&n, "conv", 1));
    assert_ok(model_add_conv(&i, n, "conv", MODEL_INPUT, 3, 4, 3, 1, 1));
    engine_options o = engine_options_default();
    fixture f = fixture_open(n, 2, 5, 5);
    forward(&f);
    assert_ok(engine_write_output_gradient(f.e, f.p, f.dy));
    assert_ok(engine_backward(f.e, f.p, ENGINE_FIRST));
    assert_ok(engine_create(&e, "ref", n, &o));
    write_all(e, n, ENGINE_WEIGHT, f.w);
    assert_ok(engine_compile(&p, e, 2, 5, 5, true));
    assert_ok(engine_write_input(e, p, f.x));
    assert_ok(engine_forward(e, p));
    assert_ok(engine_write_output_gradient(e, p, f.dy));
    assert_ok(engine_backward(e, p, ENGINE_FIRST));
    size_t count = 0;
    double *a = read_all(&count, f.e, n, ENGINE_GRADIENT), *b = read_all(&count, e, n, ENGINE_GRADIENT);
    assert_memory_equal(a, b, count * sizeof *a);
    free(a);
    free(b);
    engine_destroy(e);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv),         cmocka_unit_test(bn),
        cmocka_unit_test(maxpool),      cmocka_unit_test(shortcut),
        cmocka_unit_test(maxpool_ties), cmocka_unit_test(avgpool),
        cmocka_unit_test(linear),       cmocka_unit_test(no_input_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
