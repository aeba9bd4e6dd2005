/* The chart of the LR finder. */
#include "report/charts.h"

#include "base/memory.h"
#include "base/status.h"
#include "report/markdown.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FINDER_SETTLED = 10 }; /* first points that suggestions ignore */

typedef char mark_label[96];

/* Lightning's smoothed loss divides by 1 - 0.98^(i + 2), so its first points are too low. Removes this bias. */
int finder_line(double **out, picture *p, const double *smoothed, size_t n) {
    int rc = OK;
    TRY(picture_array(out, p, n));
    for (size_t i = 0; i < n; i++)
        (*out)[i] = smoothed[i] * (1 - pow(0.98, (double)i + 2)) / (1 - pow(0.98, (double)i + 1));
done:
    return rc;
}

/* Sets the y range to the relevant losses: from the first settled point to the lowest, noise included. A diverging
 * end would flatten the curve. */
static void finder_range(plot_axis *y, const double *loss, const double *smoothed, size_t n) {
    size_t from = n > FINDER_SETTLED ? FINDER_SETTLED : 0, lowest = from;
    double low = NAN, high = NAN;
    for (size_t i = from; i < n; i++)
        if (smoothed[i] < smoothed[lowest] || !isfinite(smoothed[lowest]))
            lowest = i;
    for (size_t i = from; i < n && i <= lowest; i++) {
        low = fmin(low, fmin(loss[i], smoothed[i])); /* fmin and fmax ignore NaN */
        high = fmax(high, fmax(loss[i], smoothed[i]));
    }
    double margin = 0.15 * fmax(high - low, 0.1 * fabs(high));
    if (!isfinite(margin))
        return;
    y->low = fmin(y->low, low - margin);
    y->high = fmax(y->high, high + 2 * margin);
}

/* Marks the suggestion on the curve, at the step whose rate is nearest to it. */
static int mark_suggestion(picture *p, const run_data *d, bool alone, const double *lr, const double *y,
                           mark_label label) {
    double wanted = d->info.suggestion, distance = INFINITY;
    size_t nearest = 0;
    char value[32];
    if (!(wanted > 0))
        return OK;
    for (size_t i = 0; i < d->finder.row_n; i++)
        if (isfinite(y[i]) && lr[i] > 0 && fabs(log(lr[i] / wanted)) < distance) {
            distance = fabs(log(lr[i] / wanted));
            nearest = i;
        }
    if (!isfinite(distance))
        return OK;
    snprintf(label, sizeof(mark_label), "%.60s %s", alone ? "suggestion" : d->run->name, real_text(value, wanted));
    return picture_mark(p, wanted, y[nearest], label);
}

/* Adds the curves of one run; on a page for one run also the range over the sweeps, and their median. */
static int finder_curves(picture *p, const run_data *d, size_t n, int color, mark_label label) {
    size_t rows = d->finder.row_n;
    double *lr, *loss, *logged, *smoothed, *low, *median, *high;
    int rc = OK;
    TRY(chart_column(&lr, p, &d->finder, FINDER_LR, 1));
    TRY(chart_column(&loss, p, &d->finder, FINDER_LOSS, 1));
    TRY(chart_column(&logged, p, &d->finder, FINDER_SMOOTHED, 1));
    TRY(finder_line(&smoothed, p, logged, rows));
    TRY(chart_column(&low, p, &d->finder, FINDER_LOW, 1));
    TRY(chart_column(&median, p, &d->finder, FINDER_MEDIAN, 1));
    TRY(chart_column(&high, p, &d->finder, FINDER_HIGH, 1));
    if (n == 1) {
        TRY(picture_band(p, "all sweeps", lr, low, high, rows, color));
        TRY(picture_curve(p, "loss of a step", lr, loss, rows, PLOT_FAINT, color));
        TRY(picture_curve(p, "median of the sweeps", lr, median, rows, PLOT_LINE, color + 1));
    }
    TRY(picture_curve(p, n > 1 ? d->run->name : "smoothed", lr, smoothed, rows, PLOT_LINE, color));
    finder_range(&p->chart[0].y, loss, smoothed, rows);
    TRY(mark_suggestion(p, d, n == 1, lr, smoothed, label));
done:
    return rc;
}

/* label: (n), must outlive the picture */
static int finder_picture(picture *p, const run_data *d, size_t n, mark_label *label) {
    plot_axis x = axis("learning rate");
    int rc = OK;
    x.log = true;
    picture_panel(p, "Learning rate finder", x, axis("loss"));
    for (size_t i = 0; i < n; i++)
        TRY(finder_curves(p, &d[i], n, (int)i, label[i]));
done:
    return rc;
}

int report_finder(text *png, const char *logs) {
    const report_run run = {.logs = logs};
    run_data d = {0};
    picture p = {0};
    mark_label label;
    int rc = OK;
    TRY(run_load(&d, &run));
    TRY(finder_picture(&p, &d, 1, &label));
    TRY(plot_charts(png, p.chart, p.chart_n, 1));
done:
    picture_deinit(&p);
    run_unload(&d);
    return rc;
}

int chart_finder(page *to, const run_data *d, size_t n) {
    picture p = {0};
    mark_label *label = NULL;
    int rc = OK;
    TRY(memory_zeroed(&label, n, sizeof *label));
    TRY(finder_picture(&p, d, n, label));
    TRY(picture_put(to, &p, "lr_finder", "Learning rate finder", 1));
done:
    free(label);
    picture_deinit(&p);
    return rc;
}
