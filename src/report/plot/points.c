/* Reduces a series to the points that pixels can show. */

#include "report/plot/points.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>

/* Consecutive points in the same column of pixels. */
typedef struct column {
    bool open;
    double from, to; /* the column's edges as values */
    size_t first, last, low, high;
    double low_y, high_y;
} column;

static int append(plot_points *p, plot_point point) {
    int rc = OK;
    TRY(memory_grow(&p->at, &p->capacity, p->n + 1, sizeof *p->at));
    p->at[p->n++] = point;
done:
    return rc;
}

static void column_begin(column *c, const plot_scale *x, double v, bool thin) {
    *c = (column){.open = true, .from = v, .to = v, .low_y = INFINITY, .high_y = -INFINITY};
    if (!thin)
        return;
    double left = fmin(x->from, x->to), right = fmax(x->from, x->to), at = floor(plot_scale_pixel(x, v));
    c->from = at < left ? -INFINITY : plot_scale_value(x, at);
    c->to = at < left ? plot_scale_value(x, left) : at >= right ? INFINITY : plot_scale_value(x, at + 1);
}

static void column_add(column *c, const plot_series *s, size_t i) {
    double y = s->y[i], y2 = s->style == PLOT_BAND ? s->y2[i] : y;
    if (c->low_y > c->high_y)
        c->first = i;
    c->last = i;
    if (fmin(y, y2) < c->low_y) {
        c->low_y = fmin(y, y2);
        c->low = i;
    }
    if (fmax(y, y2) > c->high_y) {
        c->high_y = fmax(y, y2);
        c->high = i;
    }
}

static int column_end(plot_points *out, column *c, const plot_series *s, const plot_scale *x, const plot_scale *y) {
    int rc = OK;
    if (!c->open)
        return OK;
    c->open = false;
    bool band = s->style == PLOT_BAND, rising = c->low < c->high;
    size_t order[] = {c->first, rising ? c->low : c->high, rising ? c->high : c->low, c->last};
    for (int k = 0; k < 4; k++) {
        size_t i = order[k];
        if ((k > 0 && i == order[k - 1]) || (band && k != 0 && k != 3))
            continue;
        plot_point p = {plot_scale_pixel(x, s->x[i]), 0, 0};
        p.y = plot_scale_pixel(y, band ? c->low_y : s->y[i]);
        p.y2 = band ? plot_scale_pixel(y, c->high_y) : p.y;
        TRY(append(out, p));
    }
done:
    return rc;
}

int plot_points_make(plot_points *out, const plot_series *s, const plot_scale *x, const plot_scale *y) {
    int rc = OK;
    bool gap = false, thin = (double)s->n > 2 * fabs(x->to - x->from);
    column c = {0};
    out->n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!plot_point_usable(s, i, x->log, y->log)) {
            gap = true;
            continue;
        }
        double v = s->x[i];
        if (!c.open || !thin || v < c.from || v >= c.to) {
            TRY(column_end(out, &c, s, x, y));
            if (gap && out->n > 0)
                TRY(append(out, (plot_point){NAN, NAN, NAN}));
            column_begin(&c, x, v, thin);
        }
        gap = false;
        column_add(&c, s, i);
    }
    TRY(column_end(out, &c, s, x, y));
done:
    return rc;
}

void plot_points_deinit(plot_points *p) {
    free(p->at);
    *p = (plot_points){0};
}
