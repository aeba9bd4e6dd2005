/** The tests of every fast device against the ref engine, except for convolution: all forms of batch norm, pooling,
 *  pixels and loss, and the two passes of the update. Call find_precisions() first. */
#ifndef LINNET_TESTS_LAYER_CASES_H
#define LINNET_TESTS_LAYER_CASES_H

#include "engine/layer_pair.h"

static precision each_precision[3]; /* the precisions that the device supports */
static int precision_n;

static void find_precisions(void) {
    static const precision all[] = {PRECISION_32, PRECISION_BF16, PRECISION_16};
    model *n = small_plain_model();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        engine_options o = engine_options_default();
        engine *e = NULL;
        o.precision = all[i];
        if (engine_create(&e, pair_device, n, &o) == OK)
            each_precision[precision_n++] = all[i];
        engine_destroy(e);
    }
    model_destroy(n);
}

typedef struct shape_case {
    int n, h, w, c;
} shape_case;

/* Never exactly two values per channel: they would be normalised to +1 and -1, and dx would consist of rounding
 * errors. */
static const shape_case shapes[] = {{2, 14, 14, 64}, {1, 7, 7, 2048}, {3, 5, 3, 20}, {1, 3, 1, 1},
                                    {3, 9, 11, 33},  {3, 1, 1, 24},   {1, 5, 1, 16}, {4, 23, 21, 8}};

enum bn_form {
    BN_PLAIN,
    BN_RELU,
    BN_RESIDUAL,
    BN_RESIDUAL_RELU,
    BN_DROP_PATH,
    BN_DROP_PATH_RELU,
    BN_TWO_READERS,
    BN_FORMS
};

static const char *const form_name[] = {"bn",           "bn relu",           "bn residual",         "bn residual relu",
                                        "bn drop path", "bn drop path relu", "bn relu, two readers"};

/* Max-pooling with a window of one copies exactly, which provides second tensors on which both engines agree. */
static model *bn_model(int form, int c) {
    model *n = NULL;
    int a = 0, b = 0;
    assert_ok(model_create_empty(&n, form_name[form], c));
    if (form == BN_PLAIN || form == BN_RELU) {
        assert_ok(model_add_bn(&a, n, "bn", MODEL_INPUT, c, TENSOR_NONE, form == BN_RELU));
    } else if (form == BN_TWO_READERS) {
        assert_ok(model_add_bn(&a, n, "bn", MODEL_INPUT, c, TENSOR_NONE, true));
        assert_ok(model_add_maxpool(&b, n, "copy", a, c, 1, 1, 0));
        assert_ok(model_add_bn(&b, n, "bn2", b, c, a, false));
    } else {
        assert_ok(model_add_maxpool(&a, n, "copy", MODEL_INPUT, c, 1, 1, 0));
        assert_ok(model_add_bn(&b, n, "bn", MODEL_INPUT, c, a, form == BN_RESIDUAL_RELU || form == BN_DROP_PATH_RELU));
        if (form == BN_DROP_PATH || form == BN_DROP_PATH_RELU)
            assert_ok(model_set_drop_path(n, b, 0.4));
    }
    return n;
}

static void test_bn(void **state) {
    (void)state;
    for (int k = 0; k < precision_n; k++) {
        pair_bounds worst = {0, 0};
        for (int form = 0; form < BN_FORMS; form++)
            for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
                const shape_case *s = &shapes[i];
                char name[96];
                model *n = bn_model(form, s->c);
                snprintf(name, sizeof name, "%s, %d x %d x %d x %d", form_name[form], s->n, s->h, s->w, s->c);
                pair_run(&worst, name, n, s->n, s->h, s->w, each_precision[k], true);
                model_destroy(n);
            }
        print_message("bn, %s: tensors within %.2g, parameters within %.2g\n", precision_name(each_precision[k]),
                      worst.tensor, worst.parameter);
    }
}

typedef struct pool_case {
    int n, h, w, c, kernel, stride, pad;
} pool_case;

static const pool_case pools[] = {{2, 16, 16, 64, 3, 2, 1}, {1, 9, 7, 20, 3, 2, 1}, {3, 5, 5, 7, 2, 2, 0},
                                  {1, 7, 6, 16, 3, 1, 1},   {2, 1, 1, 5, 3, 2, 1},  {1, 11, 10, 33, 4, 3, 2}};

static void test_pools(void **state) {
    (void)state;
    for (int k = 0; k < precision_n; k++)
        for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
            const pool_case *s = &pools[i];
            pair_bounds worst = {0, 0};
            model *n = NULL;
            int out = 0;
            assert_ok(model_create_empty(&n, "pool", s->c));
            assert_ok(model_add_maxpool(&out, n, "max", MODEL_INPUT, s->c, s->kernel, s->stride, s->pad));
            pair_run(&worst, "maxpool", n, s->n, s->h, s->w, each_precision[k], true);
            assert_ok(model_add_avgpool(&out, n, "average", out, s->c));
            pair_run(&worst, "maxpool, avgpool", n, s->n, s->h, s->w, each_precision[k], true);
            model_destroy(n);
        }
}

typedef struct shortcut_case {
    int n, h, w, c, y_c, stride;
} shortcut_case;

/* The cuda kernel copies packs of 8 channels if 8 divides both the channels and the zero channels on either side. */
static const shortcut_case shortcuts[] = {{2, 8, 8, 16, 32, 2}, {3, 7, 5, 32, 64, 2}, {1, 5, 6, 8, 12, 1},
                                          {2, 3, 3, 3, 9, 3},   {1, 1, 1, 5, 5, 2},   {1, 9, 4, 16, 16, 2}};

static void test_shortcut(void **state) {
    (void)state;
    for (int k = 0; k < precision_n; k++)
        for (size_t i = 0; i < sizeof shortcuts / sizeof *shortcuts; i++) {
            const shortcut_case *s = &shortcuts[i];
            pair_bounds worst = {0, 0};
            model *n = NULL;
            int out = 0;
            assert_ok(model_create_empty(&n, "shortcut", s->y_c));
            assert_ok(model_add_shortcut(&out, n, "shortcut", MODEL_INPUT, s->c, s->y_c, s->stride));
            pair_run(&worst, "shortcut", n, s->n, s->h, s->w, each_precision[k], true);
            assert_ok(model_add_avgpool(&out, n, "average", out, s->y_c));
            pair_run(&worst, "shortcut, avgpool", n, s->n, s->h, s->w, each_precision[k], true);
            model_destroy(n);
        }
}

/* ---- pixels, loss ---- */

static model *loss_model(void) {
    model *n = NULL;
    int i = 0;
    assert_ok(model_create_empty(&n, "loss", SMALL_CLASSES));
    assert_ok(model_add_avgpool(&i, n, "avgpool", MODEL_INPUT, 3));
    assert_ok(model_add_linear(&i, n, "fc", i, 3, SMALL_CLASSES));
    return n;
}

static void compare_results(pair *r) {
    engine_result_data a, b;
    assert_ok(engine_result(&a, r->device));
    assert_ok(engine_result(&b, r->ref));
    assert_close(a.loss_sum, b.loss_sum, r->bounds.tensor);
    assert_int_equal(a.images, b.images);
    assert_int_equal(a.top1, b.top1);
    assert_int_equal(a.top5, b.top5);
    assert_close(a.grad_norm, b.grad_norm, r->bounds.tensor);
    assert_int_equal(a.finite, b.finite);
}

static void test_load_and_loss(void **state) {
    (void)state;
    model *n = loss_model();
    for (int k = 0; k < 3; k++) {
        pair r = pair_open("loss", n, 7, 5, 3, PRECISION_32, true);
        batch b;
        engine_hyper h = {.loss_scale = k == 1 ? 1024 : 1, .label_smoothing = k == 2 ? 0.1 : 0, .images = 7 + k};
        small_batch(&b, 7, 5, 3, 9);
        assert_ok(engine_set_hyper(r.device, &h));
        assert_ok(engine_set_hyper(r.ref, &h));
        run_step(r.device, r.plan, &b);
        run_step(r.ref, r.ref_plan, &b);
        for (int t = MODEL_INPUT; t < n->layer_n; t++) {
            pair_compare_tensor(&r, t, false);
            pair_compare_tensor(&r, t, true);
        }
        pair_compare_all(&r, ENGINE_GRADIENT, "gradient");
        assert_ok(engine_unscale(r.device));
        assert_ok(engine_unscale(r.ref));
        compare_results(&r);
        batch_deinit(&b);
        pair_close(&r);
    }
    model_destroy(n);
}

/** Ranks with NaNs, infinities and ties at any position are those of the ref engine. The logits are the biases of a
 *  layer without weights. */
static void test_loss_order(void **state) {
    (void)state;
    const double o = NAN, i = INFINITY;
    const double row[][7] = {{o, o, o, o, o, o, o}, {o, 1, 2, 3, 4, 5, 6}, {0, 1, 2, o, 4, 5, 6},
                             {0, o, o, o, o, o, 6}, {3, 3, 3, 3, 3, 3, 3}, {-i, 0, i, 0, o, i, 1},
                             {0, 9, 9, 0, 1, 9, 0}};
    model *n = NULL;
    int at = 0;
    assert_ok(model_create_empty(&n, "order", 7));
    assert_ok(model_add_linear(&at, n, "fc", MODEL_INPUT, 3, 7));
    pair r = pair_open("order", n, 1, 1, 1, PRECISION_32, true);
    engine *const both[] = {r.device, r.ref};
    engine_plan *const plan[] = {r.plan, r.ref_plan};
    batch b;
    small_batch(&b, 1, 1, 1, 3);
    for (size_t k = 0; k < sizeof row / sizeof *row; k++)
        for (int label = 0; label < 7; label++) {
            engine_result_data result[2];
            b.label[0] = b.label_b[0] = label;
            for (int e = 0; e < 2; e++) {
                assert_ok(engine_set_hyper(both[e], &(engine_hyper){.loss_scale = 1, .images = 1}));
                assert_ok(engine_write(both[e], ENGINE_WEIGHT, 0, (double[21]){0}));
                assert_ok(engine_write(both[e], ENGINE_WEIGHT, 1, row[k]));
                assert_ok(engine_reset_result(both[e]));
                assert_ok(engine_load_batch(both[e], plan[e], &b));
                assert_ok(engine_forward(both[e], plan[e]));
                assert_ok(engine_loss(both[e], plan[e]));
                assert_ok(engine_result(&result[e], both[e]));
            }
            assert_int_equal(result[0].top1, result[1].top1);
            assert_int_equal(result[0].top5, result[1].top5);
            assert_int_equal(fpclassify(result[0].loss_sum), fpclassify(result[1].loss_sum));
        }
    batch_deinit(&b);
    pair_close(&r);
    model_destroy(n);
}

/* ---- arenas ---- */

/** Writes the same random gradient to both engines. */
static void write_gradient(pair *r, double scale, uint64_t seed) {
    double *g = allocated(r->model->weight_n, sizeof *g);
    fill_normal(g, r->model->weight_n, seed);
    for (size_t i = 0; i < r->model->weight_n; i++)
        g[i] *= scale;
    write_all(r->device, r->model, ENGINE_GRADIENT, g);
    write_all(r->ref, r->model, ENGINE_GRADIENT, g);
    free(g);
}

static void check_update(const model *n, engine_hyper h) {
    pair r = pair_open("update", n, 1, 16, 16, PRECISION_32, true);
    for (int step = 0; step < 3; step++) {
        h.first_step = step == 0;
        write_gradient(&r, h.loss_scale, 31 + (uint64_t)step);
        assert_ok(engine_set_hyper(r.device, &h));
        assert_ok(engine_set_hyper(r.ref, &h));
        assert_ok(engine_unscale(r.device));
        assert_ok(engine_unscale(r.ref));
        pair_compare_all(&r, ENGINE_GRADIENT, "unscaled gradient");
        assert_ok(engine_update(r.device));
        assert_ok(engine_update(r.ref));
        pair_compare_all(&r, ENGINE_MOMENTUM, "momentum");
        pair_compare_all(&r, ENGINE_WEIGHT, "weight");
        compare_results(&r);
    }
    pair_close(&r);
}

static void test_update(void **state) {
    (void)state;
    model *n = small_residual_model();
    const engine_hyper plain = {.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-2, .loss_scale = 1, .images = 1};
    engine_hyper h = plain;
    check_update(n, h);
    h.nesterov = true;
    check_update(n, h);
    h = plain;
    h.dampening = 0.3;
    h.loss_scale = 512;
    check_update(n, h);
    h = plain;
    h.clip_norm = 1;
    check_update(n, h);
    h = plain;
    h.momentum = 0;
    check_update(n, h);
    model_destroy(n);
}

static void test_nonfinite(void **state) {
    (void)state;
    const double bad[] = {NAN, INFINITY, -INFINITY};
    model *n = small_residual_model();
    for (int k = 0; k < 3; k++) {
        size_t count = 0;
        engine *e = pair_engine(pair_device, n, PRECISION_32, 2);
        double *before = read_all(&count, e, n, ENGINE_WEIGHT), *g = allocated(count, sizeof *g);
        g[count - 1 - (size_t)k * 7] = bad[k];
        write_all(e, n, ENGINE_GRADIENT, g);
        assert_ok(engine_set_hyper(e, &(engine_hyper){.lr = 1, .momentum = 0.9, .loss_scale = 1, .images = 1}));
        assert_ok(engine_unscale(e));
        assert_ok(engine_update(e));
        engine_result_data result;
        assert_ok(engine_result(&result, e));
        assert_false(result.finite);
        double *after = read_all(&count, e, n, ENGINE_WEIGHT);
        assert_memory_equal(before, after, count * sizeof *before);
        free(before);
        free(after);
        free(g);
        engine_destroy(e);
    }
    model_destroy(n);
}

#endif
