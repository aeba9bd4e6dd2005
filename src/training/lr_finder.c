#include "training/lr_finder.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "training/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Runs the next step of the sweep, which continues in the next epoch if necessary. */
static int one_step(double *loss, run_context *s, train_state *t, double lr) {
    step_result r;
    int rc = OK;
    if (t->batch_in_epoch == s->train_batches) {
        t->epoch++;
        t->batch_in_epoch = 0;
        TRY(loader_start(s->train_loader, (uint32_t)t->epoch, 0));
    }
    t->schedule = (schedule){.state = {.kind = CKPT_SCHEDULE_NONE, .base_lr = lr, .last_lr = lr}};
    TRY(train_step(&r, s, t, true));
    *loss = metrics_loss(&r.metrics);
done:
    return rc;
}

/** Runs a sweep from epoch *epoch on. Sets *epoch to the first epoch that the next sweep may use. */
static int sweep(lr_curve *c, run_context *s, int64_t *epoch, progress *p) {
    const config *o = s->config;
    train_state t = {.epoch = *epoch, .scaler = grad_scaler_init(s->precision == PRECISION_16)};
    double start = clock_seconds();
    char name[32];
    bool end = false;
    int rc = OK;
    TRY(loader_start(s->train_loader, (uint32_t)t.epoch, 0));
    while (!end) {
        double loss = NAN, lr = lr_curve_rate(o->lr_finder.min, o->lr_finder.max, o->lr_finder.steps, c->n);
        if (ranks_stop(&s->ranks) != 0) {
            rc = fail(E_STOPPED, "stopped by %s during the LR finder, before training",
                      text_signal(name, ranks_stop(&s->ranks)));
            goto done;
        }
        TRY(one_step(&loss, s, &t, lr));
        end = lr_curve_add(c, lr, loss, o->lr_finder.early_stop);
        double per_step = (clock_seconds() - start) / c->n;
        progress_state shown = {.done = c->n,
                                .loss = c->smoothed[c->n - 1],
                                .top1 = NAN,
                                .images_per_second = o->data.batch_size * s->micro_batches_per_step / per_step,
                                .wait_share = NAN,
                                .remaining_seconds = per_step * (c->capacity - c->n)};
        if (end)
            progress_end(p, &shown);
        else
            progress_update(p, &shown);
    }
    *epoch = t.epoch + 1;
done:
    return rc;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

const lr_curve *lr_finding_longest(const lr_finding *f) {
    const lr_curve *c = &f->sweep[0];
    for (int i = 1; i < f->sweeps; i++)
        c = f->sweep[i].n > c->n ? &f->sweep[i] : c;
    return c;
}

/** Computes minimum, median and maximum over the sweeps at each point. */
static int summarise(lr_finding *f) {
    double *at = NULL;
    int rc = OK;
    f->n = lr_finding_longest(f)->n;
    TRY(memory_zeroed(&at, (size_t)f->sweeps, sizeof *at));
    TRY(memory_zeroed(&f->low, (size_t)f->n, sizeof *f->low));
    TRY(memory_zeroed(&f->median, (size_t)f->n, sizeof *f->median));
    TRY(memory_zeroed(&f->high, (size_t)f->n, sizeof *f->high));
    for (int i = 0; i < f->n; i++) {
        for (int s = 0; s < f->sweeps; s++)
            at[s] = i < f->sweep[s].n && !isnan(f->sweep[s].smoothed[i]) ? f->sweep[s].smoothed[i] : INFINITY;
        qsort(at, (size_t)f->sweeps, sizeof *at, by_value);
        f->low[i] = at[0];
        f->median[i] = (at[(f->sweeps - 1) / 2] + at[f->sweeps / 2]) / 2;
        f->high[i] = at[f->sweeps - 1];
    }
done:
    free(at);
    return rc;
}

static double rate(const config *c, int k) {
    return lr_curve_rate(c->lr_finder.min, c->lr_finder.max, c->lr_finder.steps, k);
}

static void tell_why(lr_finding *f) {
    int finite = 0;
    for (int i = 0; i < f->n; i++)
        finite += isfinite(f->median[i]) ? 1 : 0;
    if (finite < f->n)
        snprintf(
            f->why, sizeof f->why,
            "the loss was not finite after %d of %d steps: try a lower lr_finder.max, or trainer.precision 32-true",
            finite, f->n);
    else
        snprintf(f->why, sizeof f->why,
                 "the sweep ended after only %d steps, too few for a suggestion (the first 10 and the last are "
                 "ignored): try a lower lr_finder.min, more lr_finder.steps or a higher lr_finder.early_stop",
                 f->n);
}

bool lr_finder_by_valley(const config *c) { return strcmp(c->lr_finder.rule, "valley") == 0; }

/** Lightning's rule, without suggestions that are noise. at: its own. */
static int without_noise(const lr_finding *f, const config *c, int at) {
    double slope = 0;
    int from = LR_CURVE_SKIP;
    if (f->lowest / f->plain <= LR_FINDER_FAR_BELOW)
        return at;
    while (from < f->n && f->lowest / rate(c, from) > LR_FINDER_FAR_BELOW)
        from++;
    int above = lr_curve_suggest(&slope, f->median, from, f->n);
    return above >= 0 ? above : at;
}

static int suggest(lr_finding *f, const config *c) {
    double slope = 0;
    int rc = OK, lowest = 0, from = LR_CURVE_SKIP, at = lr_curve_suggest(&slope, f->median, from, f->n), valley = -1;
    const bool by_valley = lr_finder_by_valley(c);
    if (by_valley)
        TRY(lr_curve_valley(&valley, f->median, f->n));
    if (at < 0 || (by_valley && valley < 0)) {
        tell_why(f);
        goto done;
    }
    if (!(slope < 0)) {
        snprintf(f->why, sizeof f->why,
                 "the loss did not decrease at any rate from %g to %g (loss %.3g): check images and labels with linnet "
                 "audit, or change lr_finder.min and lr_finder.max",
                 c->lr_finder.min, c->lr_finder.max, f->median[from]);
        goto done;
    }
    for (int i = LR_CURVE_SKIP; i < f->n; i++)
        if (lowest == 0 || lr_curve_unbiased(f->median, i) < lr_curve_unbiased(f->median, lowest))
            lowest = i;
    f->plain = rate(c, at);
    f->lowest = rate(c, lowest);
    at = by_valley ? valley : without_noise(f, c, at);
    f->suggestion = rate(c, at);
    f->loss = f->median[at];
done:
    return rc;
}

int lr_finder_run(lr_finding *out, run_context *s, progress *p) {
    const config *c = s->config;
    engine_saved_state *before = NULL;
    int64_t epoch = 0;
    int rc = OK;
    *out = (lr_finding){.suggestion = NAN, .loss = NAN, .plain = NAN};
    TRY(memory_zeroed(&out->sweep, (size_t)c->lr_finder.sweeps, sizeof *out->sweep));
    TRY(engine_state_save(&before, s->engine));
    for (int i = 0; i < c->lr_finder.sweeps; i++) {
        char phase[48] = "LR finder";
        if (c->lr_finder.sweeps > 1)
            snprintf(phase, sizeof phase, "LR finder %d/%d", i + 1, c->lr_finder.sweeps);
        progress_begin(p, phase, 0, 0, 0, c->lr_finder.steps);
        out->sweeps++;
        TRY(lr_curve_init(&out->sweep[i], c->lr_finder.steps));
        rc = sweep(&out->sweep[i], s, &epoch, p);
        int restored = engine_state_restore(s->engine, before);
        TRY(rc);
        TRY(restored);
    }
    TRY(summarise(out));
    TRY(suggest(out, c));
done:
    engine_state_free(before);
    return rc;
}

void lr_finding_deinit(lr_finding *f) {
    for (int i = 0; i < f->sweeps; i++)
        lr_curve_deinit(&f->sweep[i]);
    free(f->sweep);
    free(f->low);
    free(f->median);
    free(f->high);
    *f = (lr_finding){0};
}

int lr_finding_csv(text *out, const lr_finding *f) {
    const lr_curve *c = &f->sweep[0];
    bool band = f->sweeps > 1;
    int rc = OK;
    TRY(text_printf(out, "step,lr,loss,smoothed%s\n", band ? ",low,median,high" : ""));
    for (int i = 0; i < f->n; i++) {
        if (i < c->n)
            TRY(text_printf(out, "%d,%.17g,%.9g,%.9g", i, c->lr[i], c->loss[i], c->smoothed[i]));
        else
            TRY(text_printf(out, "%d,%.17g,,", i, lr_finding_longest(f)->lr[i]));
        if (band)
            TRY(text_printf(out, ",%.9g,%.9g,%.9g", f->low[i], f->median[i], f->high[i]));
        TRY(text_printf(out, "\n"));
    }
done:
    return rc;
}
