/** Compares training with a frozen part of the model and a separate LR for the classifier to PyTorch
 *  (tests/golden/freeze_make.py). */
#ifndef LINNET_TESTS_ENGINE_FREEZE_H
#define LINNET_TESTS_ENGINE_FREEZE_H

#include "engine/parity.h"

enum { FREEZE_LARGEST = 150000 }; /* LARGEST in the script */

typedef struct freeze_run {
    golden g;
    const char *part;
    model *n;
    engine *e;
    engine_plan *p;
    batch b;
    double *start, *now; /* (n->weight_n): values of one tensor */
    double tolerance;
} freeze_run;

static inline void freeze_open(freeze_run *r, const char *device, const char *part, bool recompute, double tolerance) {
    *r = (freeze_run){.g = golden_open("freeze"), .part = part, .tolerance = tolerance};
    model_options o = {.classes = golden_int(&r->g, "classes"), .decay_norm = true, .decay_bias = true};
    engine_options how = engine_options_default();
    how.recompute = recompute;
    r->b = parity_batch_open(golden_int(&r->g, "batch"), golden_int(&r->g, "height"), golden_int(&r->g, "width"));
    assert_ok(model_create(&r->n, "resnet18", &o));
    assert_ok(model_freeze(r->n, part));
    assert_ok(engine_create(&r->e, device, r->n, &how));
    parity_write_weights(r->e, r->n, false);
    assert_ok(engine_compile(&r->p, r->e, r->b.n, r->b.h, r->b.w, true));
    r->start = malloc(r->n->weight_n * sizeof *r->start);
    r->now = malloc(r->n->weight_n * sizeof *r->now);
    assert_true(r->start != NULL && r->now != NULL);
}

static inline void freeze_close(freeze_run *r) {
    engine_destroy(r->e);
    model_destroy(r->n);
    batch_deinit(&r->b);
    golden_close(&r->g);
    free(r->start);
    free(r->now);
}

static inline void freeze_number(const freeze_run *r, const char *what, int step, double a) {
    char key[96];
    golden_key(key, "%s/%s.%d", r->part, what, step);
    double b = golden_number(&r->g, key);
    if (!(fabs(a - b) <= r->tolerance * b))
        fail_msg("%s = %.12g, PyTorch has %.12g", key, a, b);
}

static inline void freeze_steps(freeze_run *r) {
    double lr = golden_number(&r->g, "lr"), head_lr = golden_number(&r->g, "head_lr");
    for (int i = 0; i < golden_int(&r->g, "steps"); i++) {
        double cut = i >= golden_int(&r->g, "step_size") ? golden_number(&r->g, "gamma") : 1;
        engine_hyper h = {.lr = lr * cut,
                          .head_lr = head_lr * cut,
                          .momentum = golden_number(&r->g, "momentum"),
                          .weight_decay = golden_number(&r->g, "weight_decay"),
                          .clip_norm = golden_number(&r->g, "clip_norm"),
                          .first_step = i == 0,
                          .loss_scale = 1,
                          .images = r->b.n};
        engine_result_data result;
        parity_batch(&r->b, i, r->n->classes, false);
        parity_gradients(r->e, r->p, &h, &r->b);
        freeze_number(r, "loss", i, parity_loss(r->e));
        assert_ok(engine_result(&result, r->e));
        freeze_number(r, "grad_norm", i, result.grad_norm);
        assert_ok(engine_update(r->e));
    }
}

/** Frozen parameters are unchanged, bit for bit, and have no momentum; the others have changed as in PyTorch. */
static inline void freeze_check_weights(freeze_run *r) {
    char key[96];
    for (int i = 0; i < r->n->param_n; i++) {
        const param *p = &r->n->param[i];
        if (p->count > FREEZE_LARGEST)
            continue;
        parity_values(r->start, p->name, p, false);
        assert_ok(engine_read(r->now, r->e, ENGINE_WEIGHT, i));
        if (p->offset < r->n->frozen_n) {
            assert_memory_equal(r->now, r->start, p->count * sizeof *r->now);
            assert_ok(engine_read(r->now, r->e, ENGINE_MOMENTUM, i));
            for (size_t k = 0; k < p->count; k++)
                assert_true(r->now[k] == 0);
            continue;
        }
        for (size_t k = 0; k < p->count; k++)
            r->now[k] -= r->start[k];
        golden_key(key, "%s/change/%s", r->part, p->name);
        double distance = golden_distance(&r->g, key, r->now, p->count);
        if (!(distance <= 10 * r->tolerance))
            fail_msg("%s is %.3g from PyTorch's", key, distance);
    }
}

static inline void freeze_check_stats(freeze_run *r) {
    static const char *const part[] = {"running_mean", "running_var"};
    char key[96];
    for (int i = 0; i < r->n->stats_n; i++) {
        const model_stats *s = &r->n->stats[i];
        assert_ok(engine_read(r->now, r->e, ENGINE_STATS, i));
        for (int k = 0; k < 2; k++) {
            golden_key(key, "%s/%s.%s", r->part, s->name, part[k]);
            double distance = golden_distance(&r->g, key, r->now + (size_t)k * (size_t)s->c, (size_t)s->c);
            if (!(distance <= r->tolerance))
                fail_msg("%s is %.3g from PyTorch's", key, distance);
        }
    }
}

static inline void freeze_check(const char *device, const char *part, bool recompute, double tolerance) {
    freeze_run r;
    freeze_open(&r, device, part, recompute, tolerance);
    freeze_steps(&r);
    freeze_check_weights(&r);
    freeze_check_stats(&r);
    freeze_close(&r);
}

#endif
