/* The charts of loss, accuracy, learning rate, throughput and logged steps. */

#include "report/charts.h"

#include "base/status.h"
#include "report/markdown.h"
#include "report/sections.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Colours of a page for one run. */
enum { COLOR_TRAIN, COLOR_VAL, COLOR_TOP5 };
enum { DOTS = 40 }; /* a curve of at most this many epochs shows a dot per epoch */

/* Adds the curve of a per-epoch value, times `factor`; values that are not finite are gaps. */
static int epoch_curve(picture *p, const run_data *d, epoch_value k, double factor, const char *name, plot_style style,
                       int color) {
    double *x, *y;
    int rc = OK;
    TRY(picture_array(&x, p, d->epoch_n));
    TRY(picture_array(&y, p, d->epoch_n));
    for (size_t i = 0; i < d->epoch_n; i++) {
        x[i] = d->epoch[i].epoch;
        y[i] = factor * d->epoch[i].v[k];
    }
    TRY(picture_curve(p, name, x, y, d->epoch_n, style, color));
    if (style == PLOT_LINE && d->epoch_n <= DOTS)
        TRY(picture_curve(p, NULL, x, y, d->epoch_n, PLOT_DOTS, color));
done:
    return rc;
}

/* Adds the training and validation curves of one quantity: two colours for one run, else one colour per run. */
static int pair_curves(picture *p, const run_data *d, size_t n, epoch_value train, epoch_value val, double factor) {
    int rc = OK;
    for (size_t i = 0; i < n; i++) {
        int color = n > 1 ? (int)i : COLOR_TRAIN;
        bool alone = run_best(&d[i], val, 1) == NULL; /* no validation: the training curve represents the run */
        const char *name = n == 1 ? "training" : alone ? d[i].run->name : NULL;
        TRY(epoch_curve(p, &d[i], train, factor, name, n == 1 ? PLOT_LINE : PLOT_FAINT, color));
        TRY(epoch_curve(p, &d[i], val, factor, n == 1 ? "validation" : d[i].run->name, PLOT_LINE,
                        n > 1 ? (int)i : COLOR_VAL));
    }
done:
    return rc;
}

static plot_axis epoch_axis(void) {
    plot_axis a = axis("epoch");
    a.whole = true;
    return a;
}

/* The unit of losses. Only the training loss of other losses differs from cross-entropy. */
static const char *loss_label(const run_data *d, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *loss = run_option(&d[i], "optimizer.loss");
        if (loss != NULL && strcmp(loss, "cross_entropy") != 0)
            return "loss";
    }
    return "cross-entropy";
}

int chart_loss(page *to, const run_data *d, size_t n) {
    picture p = {0};
    char label[48], value[32];
    int rc = OK;
    picture_panel(&p, "Loss per epoch", epoch_axis(), axis(loss_label(d, n)));
    TRY(pair_curves(&p, d, n, TRAIN_LOSS, VAL_LOSS, 1));
    const epoch_row *best = n == 1 ? run_best(d, VAL_LOSS, -1) : NULL;
    if (best != NULL) {
        snprintf(label, sizeof label, "best %s", real_text(value, best->v[VAL_LOSS]));
        TRY(picture_mark(&p, best->epoch, best->v[VAL_LOSS], label));
    }
    TRY(picture_put(to, &p, "loss", "Loss over epochs", 1));
done:
    picture_deinit(&p);
    return rc;
}

int chart_accuracy(page *to, const run_data *d, size_t n) {
    picture p = {0};
    char label[48];
    int rc = OK;
    picture_panel(&p, "Accuracy per epoch", epoch_axis(), axis(n > 1 ? "top-1 accuracy, %" : "accuracy, %"));
    if (n > 1) {
        TRY(pair_curves(&p, d, n, TRAIN_TOP1, VAL_TOP1, 100));
    } else {
        TRY(epoch_curve(&p, d, TRAIN_TOP1, 100, "training top-1", PLOT_LINE, COLOR_TRAIN));
        TRY(epoch_curve(&p, d, VAL_TOP1, 100, "validation top-1", PLOT_LINE, COLOR_VAL));
        TRY(epoch_curve(&p, d, VAL_TOP5, 100, "validation top-5", PLOT_LINE, COLOR_TOP5));
    }
    const epoch_row *best = n == 1 ? run_best(d, VAL_TOP1, 1) : NULL;
    if (best != NULL) {
        snprintf(label, sizeof label, "best %.2f %%", 100 * best->v[VAL_TOP1]);
        TRY(picture_mark(&p, best->epoch, 100 * best->v[VAL_TOP1], label));
    }
    TRY(picture_put(to, &p, "accuracy", "Accuracy over epochs", 1));
done:
    picture_deinit(&p);
    return rc;
}

/* Whether values vary so much that a log axis is needed. */
static bool wants_log(const run_data *d, size_t n, step_value k, double ratio) {
    double low = INFINITY, high = 0;
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d[r].step[k].n; i++) {
            double y = d[r].step[k].y[i];
            if (isfinite(y) && y > 0) {
                low = fmin(low, y);
                high = fmax(high, y);
            }
        }
    return high > ratio * low;
}

/* The x axis for steps: in epochs if any run has finished an epoch, else in steps. */
static plot_axis step_axis(const run_data *d, size_t n) {
    bool epochs = false;
    for (size_t i = 0; i < n; i++)
        epochs = epochs || !d[i].step_x;
    return epochs ? epoch_axis() : axis("step");
}

/* Whether the run's steps have the unit of the axis; other runs are omitted. */
static bool on_axis(const run_data *d, const plot_axis *x) { return d->step_x != x->whole; }

/* Whether the rate moves from step to step at row i: two rows of one epoch differ. */
static bool rate_moves(const step_series *s, size_t i) {
    return i > 0 && s->begin[i] == s->begin[i - 1] && s->y[i] != s->y[i - 1];
}

int rate_line(double **x, double **y, size_t *n, picture *p, const step_series *s) {
    int rc = OK;
    *n = 0;
    TRY(picture_array(x, p, 3 * s->n));
    TRY(picture_array(y, p, 3 * s->n));
    for (size_t i = 0; i < s->n; i++) {
        bool jumps = i > 0 && s->begin[i] >= s->x[i - 1] && s->y[i] != s->y[i - 1] && !rate_moves(s, i - 1);
        for (size_t k = 0; jumps && k < 2; k++) {
            (*x)[*n] = s->begin[i];
            (*y)[(*n)++] = s->y[i - 1 + k];
        }
        (*x)[*n] = s->x[i];
        (*y)[(*n)++] = s->y[i];
    }
done:
    return rc;
}

int chart_rate(page *to, const run_data *d, size_t n) {
    picture p = {0};
    plot_axis x = step_axis(d, n), y = axis("learning rate");
    int rc = OK;
    y.log = wants_log(d, n, STEP_LR, 30);
    picture_panel(&p, "Learning rate of the logged steps", x, y);
    for (size_t i = 0; i < n; i++) {
        double *at, *rate;
        size_t points;
        if (!on_axis(&d[i], &x))
            continue;
        TRY(rate_line(&at, &rate, &points, &p, &d[i].step[STEP_LR]));
        TRY(picture_curve(&p, n > 1 ? d[i].run->name : NULL, at, rate, points, points > 1 ? PLOT_LINE : PLOT_DOTS,
                          (int)i));
    }
    TRY(picture_put(to, &p, "learning_rate", "Learning rate", 1));
done:
    picture_deinit(&p);
    return rc;
}

/* The axis of the share of time that is spent waiting for data: small shares do not fill it. */
static plot_axis wait_axis(const run_data *d, size_t n) {
    plot_axis a = axis_from("% of the training time", 0);
    double most = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d[i].epoch_n; k++)
            most = fmax(most, isfinite(d[i].epoch[k].v[DATA_WAIT]) ? 100 * d[i].epoch[k].v[DATA_WAIT] : 0);
    if (most < 10)
        a.high = 10;
    return a;
}

int chart_throughput(page *to, const run_data *d, size_t n) {
    picture p = {0};
    int rc = OK;
    picture_panel(&p, "Throughput", epoch_axis(), axis_from("images/s", 0));
    for (size_t i = 0; i < n; i++)
        TRY(epoch_curve(&p, &d[i], SPEED, 1, n > 1 ? d[i].run->name : NULL, PLOT_LINE, (int)i));
    picture_panel(&p, "Waiting for data", epoch_axis(), wait_axis(d, n));
    for (size_t i = 0; i < n; i++)
        TRY(epoch_curve(&p, &d[i], DATA_WAIT, 100, n > 1 ? d[i].run->name : NULL, PLOT_LINE, (int)i));
    TRY(picture_put(to, &p, "throughput", "Throughput and waiting for data", 2));
done:
    picture_deinit(&p);
    return rc;
}

/* Exponential moving average over about 1/40 of the series, without bias towards the start; gaps are skipped. */
static int smooth(double **out, picture *p, const double *y, size_t n) {
    double window = fmin(fmax((double)n / 40, 4), 1000), keep = 1 - 1 / window, sum = 0, weight = 0;
    double *s;
    int rc = OK;
    TRY(picture_array(&s, p, n));
    for (size_t i = 0; i < n; i++) {
        s[i] = NAN;
        if (!isfinite(y[i]))
            continue;
        sum = keep * sum + y[i];
        weight = keep * weight + 1;
        s[i] = sum / weight;
    }
    *out = s;
done:
    return rc;
}

static int step_panel(picture *p, const run_data *d, size_t n, step_value k, const char *title, const char *label) {
    plot_axis x = step_axis(d, n), y = axis(label);
    int rc = OK;
    y.log = wants_log(d, n, k, 100);
    picture_panel(p, title, x, y);
    for (size_t i = 0; i < n; i++) {
        const step_series *s = &d[i].step[k];
        double *smoothed;
        if (!on_axis(&d[i], &x))
            continue;
        TRY(smooth(&smoothed, p, s->y, s->n));
        if (n == 1)
            TRY(picture_curve(p, "logged steps", s->x, s->y, s->n, PLOT_FAINT, 0));
        TRY(picture_curve(p, n > 1 ? d[i].run->name : "smoothed", s->x, smoothed, s->n, PLOT_LINE, (int)i));
    }
done:
    return rc;
}

int chart_steps(page *to, const run_data *d, size_t n) {
    picture p = {0};
    bool scaled = false;
    int rc = OK;
    TRY(step_panel(&p, d, n, STEP_LOSS, "Training loss", loss_label(d, n)));
    TRY(step_panel(&p, d, n, STEP_GRAD_NORM, "Gradient norm", "L2 norm"));
    for (size_t i = 0; i < n; i++)
        scaled = scaled || d[i].step[STEP_SCALE].n > 0;
    if (scaled) {
        plot_axis x = step_axis(d, n), y = axis("scale");
        y.log = true;
        picture_panel(&p, "Loss scale (16-mixed)", x, y);
        for (size_t i = 0; i < n; i++) {
            const step_series *s = &d[i].step[STEP_SCALE];
            if (on_axis(&d[i], &x))
                TRY(picture_curve(&p, n > 1 ? d[i].run->name : NULL, s->x, s->y, s->n, PLOT_STEPS, (int)i));
        }
    }
    TRY(picture_put(to, &p, "steps", "Loss and gradient norm per step", 2));
done:
    picture_deinit(&p);
    return rc;
}
