/** Small models, random values and finite differences for the engine's tests. */
#ifndef LINNET_TESTS_SMALL_NETS_H
#define LINNET_TESTS_SMALL_NETS_H

#include "base/memory.h"
#include "base/random.h"
#include "check.h"
#include "engine/engine.h"

#define SMALL_CLASSES 5

static inline int small_conv_bn(model *n, const char *name, int input, int in_c, int out_c, int kernel, int stride,
                                int residual, bool relu) {
    char full[48];
    int i = 0;
    snprintf(full, sizeof full, "%s.conv", name);
    assert_ok(model_add_conv(&i, n, full, input, in_c, out_c, kernel, stride, kernel / 2));
    snprintf(full, sizeof full, "%s.bn", name);
    assert_ok(model_add_bn(&i, n, full, i, out_c, residual, relu));
    return i;
}

/** Stem, a block with identity, a block with downsample, pool, linear: every kind of layer, and tensors with two
 *  readers. For images of about 16 x 16. */
static inline model *small_residual_model(void) {
    model *n = NULL;
    assert_ok(model_create_empty(&n, "small", SMALL_CLASSES));
    int a = small_conv_bn(n, "stem", MODEL_INPUT, 3, 6, 3, 2, TENSOR_NONE, true);
    assert_ok(model_add_maxpool(&a, n, "pool", a, 6, 3, 2, 1));
    int b = small_conv_bn(n, "block0.0", a, 6, 4, 1, 1, TENSOR_NONE, true);
    b = small_conv_bn(n, "block0.1", b, 4, 6, 3, 1, a, true);
    int c = small_conv_bn(n, "block1.0", b, 6, 8, 3, 2, TENSOR_NONE, true);
    int d = small_conv_bn(n, "block1.down", b, 6, 8, 1, 2, TENSOR_NONE, false);
    c = small_conv_bn(n, "block1.1", c, 8, 8, 3, 1, d, true);
    assert_ok(model_add_avgpool(&c, n, "avgpool", c, 8));
    assert_ok(model_add_linear(&c, n, "fc", c, 8, SMALL_CLASSES));
    return n;
}

/** Two convolutions, max-pool, average pool, linear: the results of an image do not depend on other images. */
static inline model *small_plain_model(void) {
    model *n = NULL;
    int i = 0;
    assert_ok(model_create_empty(&n, "plain", SMALL_CLASSES));
    assert_ok(model_add_conv(&i, n, "conv1", MODEL_INPUT, 3, 6, 3, 1, 1));
    assert_ok(model_add_maxpool(&i, n, "pool", i, 6, 2, 2, 0));
    assert_ok(model_add_conv(&i, n, "conv2", i, 6, 7, 3, 2, 0));
    assert_ok(model_add_avgpool(&i, n, "avgpool", i, 7));
    assert_ok(model_add_linear(&i, n, "fc", i, 7, SMALL_CLASSES));
    return n;
}

static inline void *allocated(size_t n, size_t size) {
    void *p = NULL;
    assert_ok(memory_zeroed(&p, n, size));
    return p;
}

/** Standard normal values, a function of `seed` alone. */
static inline void fill_normal(double *out, size_t n, uint64_t seed) {
    random_stream r = random_open(seed, 0, 0, RANDOM_TEST);
    for (size_t i = 0; i < n; i++)
        out[i] = random_normal(&r);
}

static inline double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/** A batch of noise with varied labels and mixed labels. */
static inline void small_batch(batch *b, int images, int h, int w, uint64_t seed) {
    assert_ok(batch_init(b, images, h, w));
    batch_synthetic(b, images, SMALL_CLASSES, seed, 0);
    for (int i = 0; i < images; i++) {
        b->label_b[i] = (b->label[i] + 1 + i % 3) % SMALL_CLASSES;
        b->mix[i] = 1 - 0.25f * (float)(i % 3);
    }
}

/** Adds noise to all parameters, so that gamma and beta differ from 1 and 0 and every term has an effect. */
static inline void perturb_weights(engine *e, const model *n, double by, uint64_t seed) {
    for (int i = 0; i < n->param_n; i++) {
        size_t count = n->param[i].count;
        double *w = allocated(count, sizeof *w), *noise = allocated(count, sizeof *noise);
        assert_ok(engine_read(w, e, ENGINE_WEIGHT, i));
        fill_normal(noise, count, seed * 1000 + (uint64_t)i);
        for (size_t k = 0; k < count; k++)
            w[k] += by * noise[k];
        assert_ok(engine_write(e, ENGINE_WEIGHT, i, w));
        free(w);
        free(noise);
    }
}

/** Reads all tensors of one kind, parameter after parameter (or statistics after statistics), in logical order. */
static inline double *read_all(size_t *count, engine *e, const model *n, engine_what what) {
    bool stats = what == ENGINE_STATS;
    *count = stats ? n->stats_elements : n->weight_n;
    double *out = allocated(*count, sizeof *out);
    for (int i = 0; i < (stats ? n->stats_n : n->param_n); i++)
        assert_ok(engine_read(out + (stats ? n->stats[i].offset : n->param[i].offset), e, what, i));
    return out;
}

static inline void write_all(engine *e, const model *n, engine_what what, const double *values) {
    bool stats = what == ENGINE_STATS;
    for (int i = 0; i < (stats ? n->stats_n : n->param_n); i++)
        assert_ok(engine_write(e, what, i, values + (stats ? n->stats[i].offset : n->param[i].offset)));
}

/** load, forward, loss, backward of one whole batch. */
static inline void run_step(engine *e, engine_plan *p, const batch *b) {
    assert_ok(engine_load_batch(e, p, b));
    assert_ok(engine_draw_drop_path(e, p, 3, 0, 0));
    assert_ok(engine_forward(e, p));
    assert_ok(engine_loss(e, p));
    assert_ok(engine_backward(e, p, ENGINE_FIRST | ENGINE_LAST));
}

/** f'(0) by the five-point rule; h must be so small that no ReLU or maximum changes within the interval. */
static inline double derivative(double (*f)(void *context, double t), void *context) {
    const double h = 1e-5;
    return (8 * (f(context, h) - f(context, -h)) - (f(context, 2 * h) - f(context, -2 * h))) / (12 * h);
}

static inline void assert_close(double a, double b, double relative) {
    if (!(fabs(a - b) <= relative * fmax(1, fmax(fabs(a), fabs(b)))))
        fail_msg("%.17g and %.17g differ by %.3g", a, b, a - b);
}

#endif
