/* Whole models on the reference device: the gradient of the loss, memory sharing, plans, accumulation. */
#include "small_models.h"

enum { SIDE = 16, IMAGES = 4 };

typedef struct fixture {
    model *model;
    engine *e;
    engine_plan *p;
    engine_hyper hyper;
    batch batch;
    double *x, *vx; /* normalised input and a direction; NULL if not requested */
    double *w, *vw;
} fixture;

static fixture fixture_open(model *n, bool keep, bool input_gradient) {
    fixture f = {.model = n, .hyper = {.loss_scale = 8, .images = IMAGES, .label_smoothing = 0.1}};
    engine_options o = engine_options_default();
    o.keep_tensors = keep;
    o.input_gradient = input_gradient;
    assert_ok(engine_create(&f.e, "ref", n, &o));
    assert_ok(engine_init_weights(f.e, 7));
    perturb_weights(f.e, n, 0.2, 8);
    assert_ok(engine_set_hyper(f.e, &f.hyper));
    small_batch(&f.batch, IMAGES, SIDE, SIDE, 21);
    assert_ok(engine_compile(&f.p, f.e, IMAGES, SIDE, SIDE, true));
    return f;
}

static void fixture_close(fixture *f) {
    batch_deinit(&f->batch);
    free(f->x);
    free(f->vx);
    free(f->w);
    free(f->vw);
    engine_destroy(f->e);
    model_destroy(f->model);
}

static double moved_loss(void *context, double t) {
    fixture *f = context;
    size_t x_n = tensor_count(engine_tensor_shape(f->p, MODEL_INPUT));
    double *x = allocated(x_n, sizeof *x), *w = allocated(f->model->weight_n, sizeof *w);
    engine_result_data r;
    for (size_t i = 0; i < x_n; i++)
        x[i] = f->x[i] + t * f->vx[i];
    for (size_t i = 0; i < f->model->weight_n; i++)
        w[i] = f->w[i] + t * f->vw[i];
    write_all(f->e, f->model, ENGINE_WEIGHT, w);
    assert_ok(engine_reset_result(f->e));
    assert_ok(engine_write_input(f->e, f->p, x));
    assert_ok(engine_forward(f->e, f->p));
    assert_ok(engine_loss(f->e, f->p));
    assert_ok(engine_result(&r, f->e));
    free(x);
    free(w);
    return r.loss_sum / IMAGES;
}

/** <gradient, direction> = loss_scale * d loss, over all weights and the input, in several directions. */
static void check_loss_gradient(model *of) {
    fixture f = fixture_open(of, true, true);
    size_t n = 0, x_n = tensor_count(engine_tensor_shape(f.p, MODEL_INPUT));
    run_step(f.e, f.p, &f.batch);
    double *dw = read_all(&n, f.e, f.model, ENGINE_GRADIENT), *dx = allocated(x_n, sizeof *dx);
    assert_ok(engine_read_tensor_gradient(dx, f.e, f.p, MODEL_INPUT));
    f.w = read_all(&n, f.e, f.model, ENGINE_WEIGHT);
    f.x = allocated(x_n, sizeof *f.x);
    f.vx = allocated(x_n, sizeof *f.vx);
    f.vw = allocated(n, sizeof *f.vw);
    assert_ok(engine_read_tensor(f.x, f.e, f.p, MODEL_INPUT));
    for (uint64_t direction = 0; direction < 8; direction++) {
        fill_normal(f.vx, x_n, 2 * direction);
        fill_normal(f.vw, n, 2 * direction + 1);
        double expected = (dot(dw, f.vw, n) + dot(dx, f.vx, x_n)) / f.hyper.loss_scale;
        assert_true(fabs(expected) > 1e-3);
        assert_close(expected, derivative(moved_loss, &f), 1e-8);
    }
    memset(f.vx, 0, x_n * sizeof *f.vx); /* each parameter alone */
    for (int i = 0; i < f.model->param_n; i++) {
        const param *p = &f.model->param[i];
        memset(f.vw, 0, n * sizeof *f.vw);
        fill_normal(f.vw + p->offset, p->count, 100 + (uint64_t)i);
        assert_close(dot(dw, f.vw, n) / f.hyper.loss_scale, derivative(moved_loss, &f), 1e-8);
    }
    free(dw);
    free(dx);
    fixture_close(&f);
}

static void loss_gradient(void **state) {
    (void)state;
    check_loss_gradient(small_residual_model());
}

/** With fixed draws of stochastic depth: of both blocks, each keeps some images and drops some. */
static void loss_gradient_drop_path(void **state) {
    (void)state;
    model *n = small_residual_model();
    uint8_t kept[2 * IMAGES];
    random_stream r = random_open(3, 0, 0, RANDOM_DROP_PATH); /* that of run_step */
    for (int i = 0; i < n->layer_n; i++)
        if (n->layer[i].kind == LAYER_BN && n->layer[i].residual != TENSOR_NONE)
            assert_ok(model_set_drop_path(n, i, 0.5));
    model_draw_drop_path(kept, n, IMAGES, &r);
    for (int k = 0; k < 2; k++)
        assert_in_range(kept[4 * k] + kept[4 * k + 1] + kept[4 * k + 2] + kept[4 * k + 3], 1, 3);
    check_loss_gradient(n);
}

/** Results of a training step and an evaluation: gradients, statistics, then logits of both. */
static double *all_results(size_t *count, fixture *f) {
    const model *n = f->model;
    size_t w = 0, s = 0, logits = IMAGES * (size_t)n->classes;
    engine_plan *evaluation = NULL;
    run_step(f->e, f->p, &f->batch);
    double *dw = read_all(&w, f->e, n, ENGINE_GRADIENT), *stats = read_all(&s, f->e, n, ENGINE_STATS);
    double *out = allocated(w + s + 2 * logits, sizeof *out);
    memcpy(out, dw, w * sizeof *out);
    memcpy(out + w, stats, s * sizeof *out);
    assert_ok(engine_read_tensor(out + w + s, f->e, f->p, n->layer_n - 1));
    assert_ok(engine_compile(&evaluation, f->e, IMAGES, SIDE, SIDE, false));
    assert_ok(engine_load_batch(f->e, evaluation, &f->batch));
    assert_ok(engine_forward(f->e, evaluation));
    assert_ok(engine_read_tensor(out + w + s + logits, f->e, evaluation, n->layer_n - 1));
    *count = w + s + 2 * logits;
    free(dw);
    free(stats);
    return out;
}

static void assert_equal_values(const double *a, const double *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(a[i]));
        if (a[i] != b[i])
            fail_msg("value %zu of %zu: %.17g and %.17g", i, n, a[i], b[i]);
    }
}

static void sharing_changes_nothing(model *a, model *b, bool input_gradient) {
    fixture apart = fixture_open(a, true, input_gradient), shared = fixture_open(b, false, input_gradient);
    size_t n = 0, m = 0;
    double *x = all_results(&n, &apart), *y = all_results(&m, &shared);
    assert_int_equal(n, m);
    assert_equal_values(x, y, n);
    size_t wide = engine_plan_memory(apart.e, apart.p).activations;
    size_t narrow = engine_plan_memory(shared.e, shared.p).activations;
    assert_true(narrow < wide);
    assert_int_equal(engine_plan_memory(shared.e, shared.p).parameters,
                     (3 * b->weight_n + b->stats_elements) * sizeof(double));
    free(x);
    free(y);
    fixture_close(&apart);
    fixture_close(&shared);
}

static model *builder_model(const char *arch) {
    model *n = NULL;
    assert_ok(model_create(&n, arch, &(model_options){.classes = SMALL_CLASSES}));
    return n;
}

static void sharing(void **state) {
    (void)state;
    sharing_changes_nothing(small_residual_model(), small_residual_model(), false);
    sharing_changes_nothing(small_residual_model(), small_residual_model(), true);
    sharing_changes_nothing(small_plain_model(), small_plain_model(), false);
    sharing_changes_nothing(builder_model("resnet18"), builder_model("resnet18"), false);
}

/** The input as BN's residual, as both of its inputs, and two BN in a row. */
static model *odd_model(void) {
    model *n = NULL;
    int a = 0, b = 0;
    assert_ok(model_create_empty(&n, "odd", SMALL_CLASSES));
    assert_ok(model_add_conv(&a, n, "conv", MODEL_INPUT, 3, 3, 3, 1, 1));
    assert_ok(model_add_bn(&a, n, "bn1", a, 3, MODEL_INPUT, true));
    assert_ok(model_add_bn(&a, n, "bn2", a, 3, a, true));
    assert_ok(model_add_bn(&a, n, "bn3", a, 3, TENSOR_NONE, false));
    assert_ok(model_add_conv(&b, n, "conv2", a, 3, 3, 1, 1, 0));
    assert_ok(model_add_bn(&b, n, "bn4", b, 3, a, false));
    assert_ok(model_add_avgpool(&b, n, "avgpool", b, 3));
    assert_ok(model_add_linear(&b, n, "fc", b, 3, SMALL_CLASSES));
    return n;
}

static void sharing_odd(void **state) {
    (void)state;
    sharing_changes_nothing(odd_model(), odd_model(), false);
    sharing_changes_nothing(odd_model(), odd_model(), true);
}

/** Plans of several sizes use one arena alternately; each gives the same results as on an arena of its own. */
static void alternating_plans(void **state) {
    (void)state;
    const int size[][3] = {{2, 16, 16}, {1, 16, 24}, {5, 20, 16}, {4, 32, 32}, {2, 16, 16}};
    enum { SIZES = sizeof size / sizeof *size };
    fixture all = fixture_open(small_residual_model(), false, false);
    engine_plan *first = NULL, *again = NULL;
    assert_ok(engine_compile(&first, all.e, 2, 16, 16, true));
    for (int round = 0; round < 2; round++)
        for (int s = 0; s < SIZES; s++) {
            fixture one = fixture_open(small_residual_model(), false, false);
            batch b;
            size_t n = 0;
            engine_plan *p = NULL, *q = NULL;
            small_batch(&b, size[s][0], size[s][1], size[s][2], 30 + (uint64_t)s);
            assert_ok(engine_compile(&p, all.e, size[s][0], size[s][1], size[s][2], true));
            assert_ok(engine_compile(&q, one.e, size[s][0], size[s][1], size[s][2], true));
            run_step(all.e, p, &b);
            run_step(one.e, q, &b);
            double *x = read_all(&n, all.e, all.model, ENGINE_GRADIENT);
            double *y = read_all(&n, one.e, one.model, ENGINE_GRADIENT);
            assert_equal_values(x, y, n);
            free(x);
            free(y);
            batch_deinit(&b);
            fixture_close(&one);
        }
    assert_ok(engine_compile(&again, all.e, 2, 16, 16, true));
    assert_ptr_equal(first, again);
    assert_ok(engine_compile(&again, all.e, 2, 16, 16, false));
    assert_ptr_not_equal(first, again);
    assert_int_equal(engine_tensor_shape(first, MODEL_INPUT).n, 2);
    fixture_close(&all);
}

/** Two micro-batches of 3 and 1 images with images = 4 give the gradient and the loss of one batch of four. */
static void accumulation(void **state) {
    (void)state;
    fixture f = fixture_open(small_plain_model(), false, false);
    const int part[2] = {3, 1};
    size_t n = 0, image = SIDE * SIDE * 3;
    engine_result_data whole, parts;
    run_step(f.e, f.p, &f.batch);
    assert_ok(engine_result(&whole, f.e));
    double *joint = read_all(&n, f.e, f.model, ENGINE_GRADIENT);
    assert_ok(engine_reset_result(f.e));
    for (int i = 0, at = 0; i < 2; at += part[i++]) {
        engine_plan *p = NULL;
        batch b = f.batch;
        b.n = part[i];
        b.pixels += (size_t)at * image;
        b.label += at;
        b.label_b += at;
        b.mix += at;
        assert_ok(engine_compile(&p, f.e, part[i], SIDE, SIDE, true));
        assert_ok(engine_load_batch(f.e, p, &b));
        assert_ok(engine_forward(f.e, p));
        assert_ok(engine_loss(f.e, p));
        assert_ok(engine_backward(f.e, p, i == 0 ? ENGINE_FIRST : ENGINE_LAST));
    }
    double *sum = read_all(&n, f.e, f.model, ENGINE_GRADIENT);
    assert_true(relative_error(sum, joint, n) < 1e-14);
    assert_ok(engine_result(&parts, f.e));
    assert_close(parts.loss_sum, whole.loss_sum, 1e-14);
    assert_int_equal(parts.images, IMAGES);
    assert_int_equal(parts.top1, whole.top1);
    free(joint);
    free(sum);
    fixture_close(&f);
}

/** x = (pixel / 255 - mean) / std, channel by channel. */
static void normalisation(void **state) {
    (void)state;
    fixture f = fixture_open(small_plain_model(), true, false);
    size_t n = IMAGES * SIDE * SIDE * 3;
    const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    double *x = allocated(n, sizeof *x);
    assert_ok(engine_load_batch(f.e, f.p, &f.batch));
    assert_ok(engine_read_tensor(x, f.e, f.p, MODEL_INPUT));
    for (size_t i = 0; i < n; i++)
        assert_close(x[i], (f.batch.pixels[i] / 255.0 - (double)mean[i % 3]) / (double)std[i % 3], 1e-15);
    free(x);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_gradient), cmocka_unit_test(loss_gradient_drop_path), cmocka_unit_test(sharing),
        cmocka_unit_test(sharing_odd),   cmocka_unit_test(alternating_plans),       cmocka_unit_test(accumulation),
        cmocka_unit_test(normalisation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
