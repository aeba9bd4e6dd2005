/** A small model on the device under test and on the ref engine, with equal weights, x and dy; all results are
 *  compared. */
#ifndef LINNET_TESTS_LAYER_PAIR_H
#define LINNET_TESTS_LAYER_PAIR_H

#include "engine/small_models.h"

#include <unistd.h>

static const char *pair_device = "cpu"; /* under test */

/** Ends the program if the device under test is missing. Otherwise it makes waiting OpenMP threads sleep: on a busy
 *  machine, spinning threads slow small layers down from a second to a minute. OpenMP reads the setting at its
 *  start, so the program restarts itself. */
static inline void pair_main_start(char **argv) {
    const char *missing = engine_unavailable(pair_device);
    if (missing != NULL) {
        print_message("skipped: %s engine: %s\n", pair_device, missing);
        exit(77);
    }
    if (getenv("OMP_WAIT_POLICY") == NULL && setenv("OMP_WAIT_POLICY", "passive", 1) == 0)
        execv("/proc/self/exe", argv);
}

/** The largest allowed relative errors: of tensors (y, dx), and of results that are fp32 in every precision (dw,
 *  statistics).
 *
 *  fp32: 1e-5. bf16: x, dy and weights are rounded to bf16 for both engines beforehand. Products of two bf16 numbers
 * are exact in fp32, and sums have only fp32's error. The remaining error is the rounding of y and dx to bf16, at most
 * 2^-8 of each element. dw, dgamma, dbeta and statistics are never rounded to bf16: 1e-5. In a chain of layers each
 * layer rounds, and the second layer sums rounded values. A GPU may sum in another order and round dw: fp32 1e-4, bf16
 * 2e-2, fp16 1e-2. */
typedef struct pair_bounds {
    double tensor, parameter;
} pair_bounds;

static inline pair_bounds pair_bounds_of(const model *n, precision p) {
    if (strcmp(pair_device, "cuda") == 0)
        return p == PRECISION_32     ? (pair_bounds){1e-4, 1e-4}
               : p == PRECISION_BF16 ? (pair_bounds){2e-2, 2e-2}
                                     : (pair_bounds){1e-2, 1e-2};
    int rounding = 0; /* number of layers that round; shortcuts and windows of one only copy */
    for (int i = 0; i < n->layer_n; i++)
        rounding +=
            !(n->layer[i].kind == LAYER_SHORTCUT || (n->layer[i].kind == LAYER_MAXPOOL && n->layer[i].kernel == 1));
    if (p != PRECISION_BF16)
        return (pair_bounds){1e-5, 1e-5};
    return (pair_bounds){rounding / 256.0 + 1e-5, rounding > 1 ? rounding / 256.0 : 1e-5};
}

static inline double to_bf16(double v) {
    float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static inline void round_all(double *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        v[i] = to_bf16(v[i]);
}

typedef struct pair {
    const model *model;
    engine *device, *ref;
    engine_plan *plan, *ref_plan;
    pair_bounds bounds;
    pair_bounds worst; /* largest errors so far */
    const char *name;
} pair;

static inline engine *pair_engine(const char *device, const model *n, precision p, int threads) {
    engine_options o = engine_options_default();
    engine *e = NULL;
    o.precision = p;
    o.threads = threads;
    o.keep_tensors = o.input_gradient = true;
    assert_ok(engine_create(&e, device, n, &o));
    assert_ok(engine_init_weights(e, 5));
    return e;
}

static inline pair pair_open_team(const char *name, const model *n, int images, int h, int w, precision p,
                                  bool training, int threads) {
    pair r = {.model = n, .name = name, .bounds = pair_bounds_of(n, p)};
    r.device = pair_engine(pair_device, n, p, threads);
    r.ref = pair_engine("ref", n, PRECISION_32, 1);
    perturb_weights(r.ref, n, 0.1, 3);
    for (int i = 0; i < n->param_n; i++) {
        double *v = allocated(n->param[i].count, sizeof *v);
        assert_ok(engine_read(v, r.ref, ENGINE_WEIGHT, i));
        round_all(v, n->param[i].count);
        assert_ok(engine_write(r.ref, ENGINE_WEIGHT, i, v));
        assert_ok(engine_write(r.device, ENGINE_WEIGHT, i, v));
        free(v);
    }
    assert_ok(engine_compile(&r.plan, r.device, images, h, w, training));
    assert_ok(engine_compile(&r.ref_plan, r.ref, images, h, w, training));
    assert_ok(engine_draw_drop_path(r.device, r.plan, 1, 0, 0));
    assert_ok(engine_draw_drop_path(r.ref, r.ref_plan, 1, 0, 0));
    return r;
}

static inline pair pair_open(const char *name, const model *n, int images, int h, int w, precision p, bool training) {
    return pair_open_team(name, n, images, h, w, p, training, 2);
}

static inline void pair_close(pair *r) {
    engine_destroy(r->device);
    engine_destroy(r->ref);
}

static inline void pair_check(double *worst, const pair *r, const char *what, const double *a, const double *b,
                              size_t n, double bound) {
    double error = relative_error(a, b, n);
    if (!(error <= bound))
        fail_msg("%s: %s is off by %.3g, allowed %.3g (%s)", r->name, what, error, bound,
                 engine_description(r->device));
    *worst = fmax(*worst, error);
}

/** Tensors that fused layers do not write are skipped; the results derived from them are compared. */
static inline void pair_compare_tensor(pair *r, int t, bool gradient) {
    size_t n = tensor_count(engine_tensor_shape(r->plan, t));
    double *a = allocated(n, sizeof *a), *b = allocated(n, sizeof *b);
    char what[64];
    int rc =
        gradient ? engine_read_tensor_gradient(a, r->device, r->plan, t) : engine_read_tensor(a, r->device, r->plan, t);
    if (rc != E_UNSUPPORTED) {
        assert_ok(rc);
        assert_ok(gradient ? engine_read_tensor_gradient(b, r->ref, r->ref_plan, t)
                           : engine_read_tensor(b, r->ref, r->ref_plan, t));
        snprintf(what, sizeof what, "%s of tensor %d", gradient ? "gradient" : "value", t);
        pair_check(&r->worst.tensor, r, what, a, b, n, r->bounds.tensor);
    }
    free(a);
    free(b);
}

static inline void pair_compare_all(pair *r, engine_what what, const char *name) {
    size_t n = 0;
    double *a = read_all(&n, r->device, r->model, what), *b = read_all(&n, r->ref, r->model, what);
    int items = what == ENGINE_STATS ? r->model->stats_n : r->model->param_n;
    for (int i = 0; i < items; i++) {
        size_t at = what == ENGINE_STATS ? r->model->stats[i].offset : r->model->param[i].offset;
        size_t count = what == ENGINE_STATS ? 2 * (size_t)r->model->stats[i].c : r->model->param[i].count;
        char text[128];
        snprintf(text, sizeof text, "%s of %s", name,
                 what == ENGINE_STATS ? r->model->stats[i].name : r->model->param[i].name);
        pair_check(&r->worst.parameter, r, text, a + at, b + at, count, r->bounds.parameter);
    }
    free(a);
    free(b);
}

static inline void pair_write(pair *r, bool output_gradient, double mean, uint64_t seed) {
    size_t n = tensor_count(engine_tensor_shape(r->plan, output_gradient ? r->model->layer_n - 1 : MODEL_INPUT));
    double *v = allocated(n, sizeof *v);
    fill_normal(v, n, seed);
    for (size_t i = 0; i < n; i++)
        v[i] = to_bf16(v[i] + mean);
    if (output_gradient) {
        assert_ok(engine_write_output_gradient(r->device, r->plan, v));
        assert_ok(engine_write_output_gradient(r->ref, r->ref_plan, v));
    } else {
        assert_ok(engine_write_input(r->device, r->plan, v));
        assert_ok(engine_write_input(r->ref, r->ref_plan, v));
    }
    free(v);
}

static inline void pair_forward(pair *r) {
    pair_write(r, false, 0.5, 11);
    assert_ok(engine_forward(r->device, r->plan));
    assert_ok(engine_forward(r->ref, r->ref_plan));
    for (int t = 0; t < r->model->layer_n; t++)
        pair_compare_tensor(r, t, false);
    pair_compare_all(r, ENGINE_STATS, "running statistics");
}

static inline void pair_backward(pair *r, unsigned flags, uint64_t seed) {
    pair_write(r, true, 0.25, seed);
    assert_ok(engine_backward(r->device, r->plan, flags));
    assert_ok(engine_backward(r->ref, r->ref_plan, flags));
    for (int t = MODEL_INPUT; t < r->model->layer_n; t++)
        pair_compare_tensor(r, t, true);
    pair_compare_all(r, ENGINE_GRADIENT, "gradient");
}

/** Training: forward and two backward passes, of which the second accumulates; then evaluation, if requested.
 *  Updates *worst. */
static inline void pair_run(pair_bounds *worst, const char *name, const model *n, int images, int h, int w, precision p,
                            bool evaluation) {
    pair r = pair_open(name, n, images, h, w, p, true);
    pair_forward(&r);
    pair_backward(&r, ENGINE_FIRST, 21);
    pair_backward(&r, ENGINE_LAST, 22);
    worst->tensor = fmax(worst->tensor, r.worst.tensor);
    worst->parameter = fmax(worst->parameter, r.worst.parameter);
    pair_close(&r);
    if (!evaluation)
        return;
    r = pair_open(name, n, images, h, w, p, false);
    pair_forward(&r);
    pair_close(&r);
}

#endif
