/* Errors of a user give a message, not a crash. */
#include "small_models.h"

static model *last_model;

static void expect_create(int code, const char *part, model *n) {
    engine *e = NULL;
    engine_options o = engine_options_default();
    assert_fails(code, part, engine_create(&e, "ref", n, &o));
    assert_null(e);
    model_destroy(n);
}

static void devices(void **state) {
    (void)state;
    model *n = small_plain_model();
    engine *e = NULL;
    engine_options o = engine_options_default();
    assert_fails(E_OPTION, "'gpu'", engine_create(&e, "gpu", n, &o));
    assert_non_null(strstr(status_message(), "ref"));
    assert_non_null(strstr(status_message(), "cpu"));
    assert_null(engine_unavailable("ref"));
    assert_non_null(engine_unavailable("gpu"));
    if (engine_unavailable("cpu") != NULL) {
        assert_fails(E_DEVICE, engine_unavailable("cpu"), engine_create(&e, "cpu", n, &o));
        assert_false(engine_has_bf16());
    }
    assert_ok(engine_create(&e, "ref", n, &o));
    assert_string_equal(engine_device(e), "ref");
    assert_non_null(strstr(engine_description(e), "double"));
    engine_destroy(e);
    engine_destroy(NULL);
    model_destroy(n);
    assert_string_equal(precision_name(PRECISION_32), "32-true");
    assert_string_equal(precision_name(PRECISION_BF16), "bf16-mixed");
    assert_string_equal(precision_name(PRECISION_16), "16-mixed");
}

static void models(void **state) {
    (void)state;
    int a = 0, b = 0;
    model *n = NULL;
    assert_ok(model_create_empty(&n, "empty", 1));
    expect_create(E_SHAPE, "no layers", n);
    assert_ok(model_create_empty(&n, "three", 1));
    assert_ok(model_add_bn(&a, n, "bn1", MODEL_INPUT, 3, TENSOR_NONE, true));
    assert_ok(model_add_bn(&b, n, "bn2", a, 3, a, true));
    assert_ok(model_add_bn(&b, n, "bn3", b, 3, a, true));
    expect_create(E_SHAPE, "bn1 already has two consumers", n);
    assert_ok(model_create_empty(&n, "unread", 1));
    assert_ok(model_add_avgpool(&a, n, "dead", MODEL_INPUT, 3));
    assert_ok(model_add_avgpool(&a, n, "pool", MODEL_INPUT, 3));
    expect_create(E_SHAPE, "no layer reads the output of dead", n);
    n = small_plain_model();
    n->layer[2].input = 2;
    expect_create(E_SHAPE, "not been computed yet", n);
    n = small_plain_model();
    n->layer[2].weight = 0;
    expect_create(E_SHAPE, "another layer", n);
    n = small_plain_model();
    n->layer[2].weight = -1;
    expect_create(E_SHAPE, "conv2.weight belongs to no layer", n);
    n = small_residual_model();
    n->layer[1].stats = 99;
    expect_create(E_SHAPE, "stem.bn has no running statistics", n);
}

static int open_engine(void **state) {
    engine *e = NULL;
    engine_options o = engine_options_default();
    last_model = small_residual_model();
    assert_ok(engine_create(&e, "ref", last_model, &o));
    *state = e;
    return 0;
}

static int close_engine(void **state) {
    engine_destroy(*state);
    model_destroy(last_model);
    return 0;
}

static void shapes(void **state) {
    engine *e = *state;
    engine_plan *p = NULL;
    assert_fails(E_SHAPE, "positive", engine_compile(&p, e, 0, 16, 16, true));
    assert_fails(E_SHAPE, "positive", engine_compile(&p, e, 1, -3, 16, true));
    assert_null(p);
    assert_fails(E_SHAPE, "more than one value per channel", engine_compile(&p, e, 1, 2, 2, true));
    assert_ok(engine_compile(&p, e, 1, 2, 2, false));
    assert_fails(E_NOMEM, "address space", engine_compile(&p, e, 1 << 30, 1 << 30, 1 << 30, false));
    assert_null(p);
}

static void too_small(void **state) {
    (void)state;
    model *n = small_plain_model();
    engine *e = NULL;
    engine_plan *p = NULL;
    engine_options o = engine_options_default();
    assert_ok(engine_create(&e, "ref", n, &o));
    assert_fails(E_SHAPE, "conv2", engine_compile(&p, e, 1, 4, 4, false));
    assert_ok(engine_compile(&p, e, 1, 6, 6, false));
    engine_destroy(e);
    model_destroy(n);
}

/** A plan that does not fit is refused with its size; the engine and its other plans remain usable. */
static void too_large(void **state) {
    engine *e = *state;
    engine_plan *small = NULL, *large = NULL;
    batch b;
    double before[2 * SMALL_CLASSES], after[2 * SMALL_CLASSES];
    assert_ok(engine_init_weights(e, 1));
    small_batch(&b, 2, 16, 16, 1);
    assert_ok(engine_compile(&small, e, 2, 16, 16, true));
    run_step(e, small, &b);
    assert_ok(engine_read_tensor(before, e, small, last_model->layer_n - 1));
    assert_fails(E_NOMEM, "TiB", engine_compile(&large, e, 1 << 20, 1 << 14, 1 << 10, true));
    assert_null(large);
    run_step(e, small, &b);
    assert_ok(engine_read_tensor(after, e, small, last_model->layer_n - 1));
    assert_memory_equal(before, after, sizeof before);
    batch_deinit(&b);
}

static void refuse_absurd(const char *device, precision used, const model *n) {
    static const struct {
        int images, h, w;
    } absurd[] = {{INT32_MAX, 64, 64},     {1, INT32_MAX, INT32_MAX}, {INT32_MAX, INT32_MAX, INT32_MAX},
                  {3, INT32_MAX, 1 << 20}, {100000000, 32, 32},       {1, INT32_MAX, 64},
                  {2, 64, INT32_MAX}};
    engine *e = NULL;
    engine_plan *p = NULL;
    size_t bytes = 0;
    engine_options o = engine_options_default();
    o.precision = used;
    assert_ok(engine_create(&e, device, n, &o));
    size_t sizes = strcmp(device, "ref") == 0 ? 4 : sizeof absurd / sizeof *absurd; /* ref can plan the others */
    for (size_t i = 0; i < sizes; i++)
        for (int training = 0; training < 2; training++) {
            assert_fails(E_NOMEM, "", engine_compile(&p, e, absurd[i].images, absurd[i].h, absurd[i].w, training != 0));
            assert_null(p);
            if (strcmp(device, "cpu") == 0)
                assert_fails(E_NOMEM, "",
                             engine_plan_bytes(&bytes, e, absurd[i].images, absurd[i].h, absurd[i].w, training != 0));
        }
    engine_destroy(e);
}

/** Sizes at which 32-bit arithmetic overflows, in linnet or in a library, are refused: no crash, and planning ends.
 */
static void absurd_sizes(void **state) {
    (void)state;
    model *small = small_residual_model(), *resnet = NULL;
    assert_ok(model_create(&resnet, "resnet18", &(model_options){.classes = 10}));
    refuse_absurd("ref", PRECISION_32, small);
    refuse_absurd("ref", PRECISION_32, resnet);
    if (engine_unavailable("cpu") == NULL) {
        refuse_absurd("cpu", PRECISION_32, small);
        refuse_absurd("cpu", PRECISION_32, resnet);
    }
    if (engine_unavailable("cpu") == NULL && engine_has_bf16()) {
        refuse_absurd("cpu", PRECISION_BF16, small);
        refuse_absurd("cpu", PRECISION_BF16, resnet);
    }
    model_destroy(small);
    model_destroy(resnet);
}

/** A larger plan moves the arena. A batch that was loaded before is lost, and its use is an error. */
static void arena_moves(void **state) {
    engine *e = *state;
    engine_plan *small = NULL, *large = NULL;
    batch b;
    assert_ok(engine_compile(&small, e, 2, 16, 16, false));
    small_batch(&b, 2, 16, 16, 1);
    assert_ok(engine_load_batch(e, small, &b));
    assert_ok(engine_compile(&large, e, 9, 16, 16, true));
    assert_fails(E_SHAPE, "no batch is loaded for the plan", engine_forward(e, small));
    assert_ok(engine_load_batch(e, small, &b));
    assert_ok(engine_forward(e, small));
    batch_deinit(&b);
}

static void batches(void **state) {
    engine *e = *state;
    engine_plan *p = NULL, *q = NULL;
    batch b;
    assert_ok(engine_compile(&p, e, 2, 16, 16, true));
    assert_ok(engine_compile(&q, e, 3, 16, 16, false));
    small_batch(&b, 2, 16, 16, 1);
    assert_fails(E_SHAPE, "expects 3 of 16 x 16", engine_load_batch(e, q, &b));
    b.label[1] = SMALL_CLASSES;
    assert_fails(E_DATA, "image 1", engine_load_batch(e, p, &b));
    b.label[1] = 0;
    b.label_b[0] = -1;
    assert_fails(E_DATA, "image 0", engine_load_batch(e, p, &b));
    batch_deinit(&b);
    small_batch(&b, 2, 16, 16, 1);
    assert_fails(E_SHAPE, "no batch is loaded for the plan", engine_forward(e, p));
    assert_ok(engine_load_batch(e, p, &b));
    assert_ok(engine_forward(e, p));
    assert_fails(E_SHAPE, "no batch is loaded for the plan", engine_forward(e, q));
    assert_fails(E_SHAPE, "no batch is loaded for the plan", engine_loss(e, q));
    assert_fails(E_SHAPE, "no batch is loaded for the plan", engine_backward(e, q, ENGINE_FIRST));
    assert_ok(engine_loss(e, p));
    assert_ok(engine_backward(e, p, ENGINE_FIRST));
    batch_deinit(&b);
    small_batch(&b, 3, 16, 16, 1);
    assert_ok(engine_load_batch(e, q, &b));
    assert_fails(E_SHAPE, "no batch is loaded for the plan", engine_loss(e, p));
    assert_ok(engine_forward(e, q));
    assert_ok(engine_loss(e, q));
    assert_fails(E_OPTION, "training", engine_backward(e, q, ENGINE_FIRST));
    batch_deinit(&b);
}

static void values(void **state) {
    engine *e = *state;
    engine_plan *p = NULL;
    double x[2000] = {0};
    assert_fails(E_OPTION, "parameters", engine_read(x, e, ENGINE_WEIGHT, last_model->param_n));
    assert_fails(E_OPTION, "parameters", engine_write(e, ENGINE_MOMENTUM, -1, x));
    assert_fails(E_OPTION, "statistics", engine_read(x, e, ENGINE_STATS, last_model->stats_n));
    assert_ok(engine_compile(&p, e, 2, 16, 16, true));
    assert_ok(engine_write_input(e, p, x));
    assert_fails(E_OPTION, "keep_tensors", engine_read_tensor(x, e, p, 0));
    assert_fails(E_OPTION, "keep_tensors", engine_read_tensor_gradient(x, e, p, 0));
    assert_fails(E_OPTION, "tensor", engine_read_tensor(x, e, p, last_model->layer_n));
    assert_fails(E_OPTION, "tensor", engine_read_tensor(x, e, p, -2));
    assert_fails(E_OPTION, "loss scale", engine_set_hyper(e, &(engine_hyper){.loss_scale = 0, .images = 1}));
    assert_fails(E_OPTION, "loss scale", engine_set_hyper(e, &(engine_hyper){.loss_scale = NAN, .images = 1}));
    assert_fails(E_OPTION, "images", engine_set_hyper(e, &(engine_hyper){.loss_scale = 1}));
    assert_fails(E_OPTION, "smoothing",
                 engine_set_hyper(e, &(engine_hyper){.loss_scale = 1, .images = 1, .label_smoothing = 2}));
}

/** Written values are read back bit for bit; initial weights are those of the table. */
static void read_and_write(void **state) {
    engine *e = *state;
    const engine_what what[] = {ENGINE_WEIGHT, ENGINE_GRADIENT, ENGINE_MOMENTUM, ENGINE_STATS};
    for (int k = 0; k < 4; k++) {
        size_t n = 0;
        double *zeros = read_all(&n, e, last_model, what[k]), *in = allocated(n, sizeof *in);
        for (size_t i = 0; i < n; i++)
            assert_true(zeros[i] == 0);
        fill_normal(in, n, 50 + (uint64_t)k);
        write_all(e, last_model, what[k], in);
        double *out = read_all(&n, e, last_model, what[k]);
        assert_memory_equal(in, out, n * sizeof *in);
        free(zeros);
        free(in);
        free(out);
    }
    assert_ok(engine_init_weights(e, 9));
    for (int k = 0; k < 4; k += 2) { /* weights, momentum */
        size_t n = 0;
        double *out = read_all(&n, e, last_model, what[k]);
        for (int i = 0; i < last_model->param_n; i++) {
            const param *p = &last_model->param[i];
            float *expected = allocated(p->count, sizeof *expected);
            model_init_param(expected, last_model, i, 9);
            for (size_t j = 0; j < p->count; j++)
                assert_true(out[p->offset + j] == (k == 0 ? (double)expected[j] : 0));
            free(expected);
        }
        free(out);
    }
    size_t n = 0;
    double *stats = read_all(&n, e, last_model, ENGINE_STATS);
    for (int i = 0; i < last_model->stats_n; i++)
        for (int c = 0; c < 2 * last_model->stats[i].c; c++)
            assert_true(stats[last_model->stats[i].offset + (size_t)c] == (c < last_model->stats[i].c ? 0 : 1));
    free(stats);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices),
        cmocka_unit_test(models),
        cmocka_unit_test(too_small),
        cmocka_unit_test_setup_teardown(shapes, open_engine, close_engine),
        cmocka_unit_test(absurd_sizes),
        cmocka_unit_test_setup_teardown(too_large, open_engine, close_engine),
        cmocka_unit_test_setup_teardown(arena_moves, open_engine, close_engine),
        cmocka_unit_test_setup_teardown(batches, open_engine, close_engine),
        cmocka_unit_test_setup_teardown(values, open_engine, close_engine),
        cmocka_unit_test_setup_teardown(read_and_write, open_engine, close_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
