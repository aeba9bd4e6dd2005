/** Steps of every optimizer: those of torch.optim and timm.optim (tests/golden/optimizer_make.py), and steps on a model
 *  whose parameters have more elements than one thread's piece of an update. */
#ifndef LINNET_TESTS_ENGINE_OPTIMIZER_CASES_H
#define LINNET_TESTS_ENGINE_OPTIMIZER_CASES_H

#include "small_models.h"

#include <string.h>

static const char *const optimizer_names[] = {[OPTIMIZER_SGD] = "sgd",
                                              [OPTIMIZER_ADAMW] = "adamw",
                                              [OPTIMIZER_RMSPROP] = "rmsprop",
                                              [OPTIMIZER_LAMB] = "lamb",
                                              [OPTIMIZER_LARS] = "lars"};
enum { OPTIMIZER_KINDS = 5 };

static inline engine *optimizer_engine(const char *device, const model *n, optimizer_kind kind, int threads) {
    engine_options o = engine_options_default();
    engine *e = NULL;
    o.optimizer = kind;
    o.threads = threads;
    assert_ok(engine_create(&e, device, n, &o));
    assert_ok(engine_init_weights(e, 1));
    return e;
}

/** One update with the gradient `g` of all parameters. @return whether it was finite */
static inline bool optimizer_step(engine *e, const model *n, const engine_hyper *h, const double *g) {
    engine_result_data r;
    assert_ok(engine_set_hyper(e, h));
    write_all(e, n, ENGINE_GRADIENT, g);
    assert_ok(engine_unscale(e));
    assert_ok(engine_update(e));
    assert_ok(engine_result(&r, e));
    return r.finite;
}

/* ---- the golden file ---- */

static inline void golden_numbers(double *out, int n, FILE *f) {
    for (int i = 0; i < n; i++)
        assert_int_equal(fscanf(f, "%lf", &out[i]), 1);
}

/** The line of a case: the optimizer, and its hyper-parameters. @return false at the end of the file */
static inline bool golden_case(optimizer_kind *kind, engine_hyper *h, FILE *f) {
    char line[512], *at = line, *word = NULL;
    do
        if (fgets(line, sizeof line, f) == NULL)
            return false;
    while (line[0] == '\n');
    *h = (engine_hyper){.loss_scale = 1, .images = 1};
    struct {
        const char *key;
        double *value;
    } keys[] = {{"lr", &h->lr},
                {"head_lr", &h->head_lr},
                {"momentum", &h->momentum},
                {"weight_decay", &h->weight_decay},
                {"beta1", &h->beta1},
                {"beta2", &h->beta2},
                {"alpha", &h->alpha},
                {"eps", &h->eps},
                {"trust", &h->trust},
                {"clip_norm", &h->clip_norm}};
    line[strcspn(line, "\n")] = 0;
    word = strsep(&at, " ");
    int found = 0;
    while (found < OPTIMIZER_KINDS && strcmp(word, optimizer_names[found]) != 0)
        found++;
    assert_true(found < OPTIMIZER_KINDS);
    *kind = (optimizer_kind)found;
    while ((word = strsep(&at, " ")) != NULL) {
        char *value = strchr(word, '=');
        bool known = false;
        assert_non_null(value);
        *value++ = 0;
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            if (strcmp(word, keys[k].key) == 0) {
                *keys[k].value = strtod(value, NULL);
                known = true;
            }
        if (strcmp(word, "nesterov") == 0)
            h->nesterov = known = true;
        assert_true(known);
    }
    return true;
}

/** The golden file's model: its bias does not decay, and has the rate head_lr. */
static inline model *golden_model(void) {
    model *n = NULL;
    int i = 0;
    assert_ok(model_create_empty(&n, "golden", 3));
    assert_ok(model_add_conv(&i, n, "conv", MODEL_INPUT, 3, 4, 1, 1, 0));
    assert_ok(model_add_avgpool(&i, n, "avgpool", i, 4));
    assert_ok(model_add_linear(&i, n, "fc", i, 4, 3));
    assert_int_equal(n->param_n, 3);
    for (i = 0; i < 3; i++) {
        n->param[i].decays = i < 2;
        n->param[i].head = i == 2;
    }
    return n;
}

/** Compares every step of every case. */
static inline void golden_compare(const char *device, double tolerance) {
    FILE *f = fopen(SOURCE_DIR "/tests/golden/optimizer_golden.txt", "r");
    model *n = golden_model();
    int steps = 0, count = 0, cases = 0;
    optimizer_kind kind;
    engine_hyper h;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d %d", &steps, &count), 2);
    assert_int_equal(count, n->weight_n);
    double *start = allocated((size_t)count, sizeof *start), *expected = allocated((size_t)count, sizeof *expected);
    double *g = allocated((size_t)(count * steps), sizeof *g);
    golden_numbers(start, count, f);
    golden_numbers(g, count * steps, f);
    for (; golden_case(&kind, &h, f); cases++) {
        engine *e = optimizer_engine(device, n, kind, 1);
        write_all(e, n, ENGINE_WEIGHT, start);
        for (int s = 0; s < steps; s++) {
            size_t all = 0;
            h.first_step = s == 0;
            h.updates = s;
            assert_true(optimizer_step(e, n, &h, g + (size_t)s * (size_t)count));
            golden_numbers(expected, count, f);
            double *w = read_all(&all, e, n, ENGINE_WEIGHT);
            for (int i = 0; i < count; i++)
                if (!(fabs(w[i] - expected[i]) <= tolerance))
                    fail_msg("case %d (%s), step %d, element %d: %.17g, not %.17g", cases, optimizer_names[kind], s, i,
                             w[i], expected[i]);
            free(w);
        }
        engine_destroy(e);
    }
    assert_int_equal(cases, 11);
    free(start);
    free(expected);
    free(g);
    fclose(f);
    model_destroy(n);
}

/* ---- a larger model ---- */

/** Parameters of 960, 320, 320, 96000 and 300 elements, the second and the third without weight decay, the last two in
 *  the head. `frozen`: the first is frozen. */
static inline model *optimizer_model(bool frozen) {
    model *n = NULL;
    assert_ok(model_create_empty(&n, "large", 300));
    int i = small_conv_bn(n, "stem", MODEL_INPUT, 3, 320, 1, 1, TENSOR_NONE, true);
    assert_ok(model_add_avgpool(&i, n, "avgpool", i, 320));
    assert_ok(model_add_linear(&i, n, "fc", i, 320, 300));
    for (i = 0; i < n->param_n; i++) {
        n->param[i].decays = n->param[i].rank > 1 || n->param[i].head;
        n->param[i].head = i >= n->param_n - 2;
    }
    n->frozen_layer_n = frozen;
    n->frozen_n = frozen ? n->param[0].count : 0;
    return n;
}

static inline engine_hyper optimizer_hyper(optimizer_kind kind, int step) {
    return (engine_hyper){.lr = kind == OPTIMIZER_LARS ? 0.5 : 0.01,
                          .head_lr = kind == OPTIMIZER_LARS ? 0.2 : 0.02,
                          .momentum = 0.9,
                          .weight_decay = 0.05,
                          .first_step = step == 0,
                          .beta1 = 0.9,
                          .beta2 = 0.99,
                          .alpha = 0.95,
                          .eps = 1e-3, /* a smaller one would enlarge the rounding errors of small gradients */
                          .trust = 0.02,
                          .updates = step,
                          .clip_norm = 100,
                          .loss_scale = 64,
                          .images = 1};
}

/** Five steps; the fourth is not finite and must change nothing. */
static inline void optimizer_run(engine *e, const model *n, optimizer_kind kind) {
    double *g = allocated(n->weight_n, sizeof *g);
    int done = 0;
    for (int s = 0; s < 5; s++) {
        engine_hyper h = optimizer_hyper(kind, done);
        fill_normal(g, n->weight_n, 100 + (uint64_t)s);
        for (size_t i = 0; i < n->weight_n; i++)
            g[i] *= h.loss_scale;
        if (s == 3)
            g[n->weight_n / 2] = INFINITY;
        assert_int_equal(optimizer_step(e, n, &h, g), s != 3);
        done += s != 3;
    }
    free(g);
}

/** Weights and state of both engines differ by at most `tolerance`, relative to at least 1. */
static inline void optimizer_same(engine *a, engine *b, const model *n, optimizer_kind kind, double tolerance) {
    const engine_what what[] = {ENGINE_WEIGHT, ENGINE_MOMENTUM, ENGINE_SQUARE};
    for (int k = 0; k < (optimizer_squares(kind) ? 3 : 2); k++) {
        size_t count = 0;
        double *x = read_all(&count, a, n, what[k]), *y = read_all(&count, b, n, what[k]);
        for (size_t i = 0; i < count; i++)
            if (!(fabs(x[i] - y[i]) <= tolerance * fmax(1, fabs(y[i]))))
                fail_msg("%s, arena %d, element %zu: %.9g and %.9g", optimizer_names[kind], k, i, x[i], y[i]);
        free(x);
        free(y);
    }
}

/** Compares the steps of a device with those of the reference engine. */
static inline void optimizer_compare(const char *device, double tolerance) {
    for (int i = 0; i < 2 * OPTIMIZER_KINDS; i++) {
        optimizer_kind kind = (optimizer_kind)(i / 2);
        model *n = optimizer_model(i % 2 == 1);
        engine *e = optimizer_engine(device, n, kind, 2), *ref = optimizer_engine("ref", n, kind, 1);
        optimizer_run(e, n, kind);
        optimizer_run(ref, n, kind);
        optimizer_same(e, ref, n, kind, tolerance);
        engine_destroy(e);
        engine_destroy(ref);
        model_destroy(n);
    }
}

/** A saved state is restored with the running averages. */
static inline void optimizer_save(const char *device) {
    model *n = golden_model();
    double *g = allocated(n->weight_n, sizeof *g);
    for (int k = 0; k < OPTIMIZER_KINDS; k++) {
        engine *e = optimizer_engine(device, n, (optimizer_kind)k, 1),
               *other = optimizer_engine(device, n, (optimizer_kind)k, 1);
        engine_saved_state *saved = NULL;
        engine_hyper h = optimizer_hyper((optimizer_kind)k, 0);
        for (int s = 0; s < 4; s++) {
            if (s == 2)
                assert_ok(engine_state_save(&saved, e));
            h.updates = s;
            h.first_step = s == 0;
            fill_normal(g, n->weight_n, (uint64_t)s);
            assert_true(optimizer_step(e, n, &h, g));
        }
        assert_ok(engine_state_restore(other, saved));
        for (int s = 2; s < 4; s++) {
            h.updates = s;
            h.first_step = false;
            fill_normal(g, n->weight_n, (uint64_t)s);
            assert_true(optimizer_step(other, n, &h, g));
        }
        optimizer_same(e, other, n, (optimizer_kind)k, 0);
        engine_state_free(saved);
        engine_destroy(e);
        engine_destroy(other);
    }
    free(g);
    model_destroy(n);
}

#endif
