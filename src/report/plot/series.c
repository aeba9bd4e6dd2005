/* Draws lines, bands and dots. */

#include "base/status.h"
#include "report/plot/panel.h"

#include <cairo.h>
#include <math.h>

#define FAINT_ALPHA 0.55
#define BAND_ALPHA 0.18
#define LINE_WIDTH 1.75
#define DOT_RADIUS 2.75
#define CLIP 8 /* margin in pixels around the data's box in which lines are drawn; larger than their width */

uint32_t plot_series_color(const plot_chart *c, size_t i) {
    return plot_palette(c->series[i].color >= 0 ? c->series[i].color : (int)(i % PLOT_COLORS));
}

static bool is_line(const plot_series *s) { return s->style == PLOT_LINE || s->style == PLOT_STEPS; }

bool plot_series_dashed(const plot_chart *c, size_t i) {
    size_t same = 0;
    if (!is_line(&c->series[i]) || c->series[i].name == NULL)
        return false;
    for (size_t k = 0; k < i; k++)
        same +=
            is_line(&c->series[k]) && c->series[k].name != NULL && plot_series_color(c, k) == plot_series_color(c, i);
    return same % 2 == 1;
}

static void pen(cairo_t *cr, const plot_chart *c, size_t i) {
    static const double dash[] = {6, 3};
    plot_style style = c->series[i].style;
    plot_color(cr, plot_series_color(c, i), style == PLOT_FAINT ? FAINT_ALPHA : style == PLOT_BAND ? BAND_ALPHA : 1);
    cairo_set_line_width(cr, style == PLOT_FAINT ? 1 : LINE_WIDTH);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_dash(cr, dash, plot_series_dashed(c, i) ? 2 : 0, 0);
}

static void dot(cairo_t *cr, double x, double y, double radius) {
    cairo_new_sub_path(cr);
    cairo_arc(cr, x, y, radius, 0, 2 * M_PI);
}

/* One border of Liang and Barsky's clipping; false if nothing of the segment from..to remains. */
static bool clip_border(double *from, double *to, double direction, double distance) {
    if (direction == 0)
        return distance >= 0;
    double at = distance / direction;
    if (direction < 0)
        *from = fmax(*from, at);
    else
        *to = fmin(*to, at);
    return *from <= *to;
}

/* Adds a segment to the path, clipped near the box: cairo's coordinates have a limited range, and dashes outside
 * take time. */
static void segment(cairo_t *cr, const plot_box *b, plot_point a, plot_point z) {
    double dx = z.x - a.x, dy = z.y - a.y, from = 0, to = 1;
    if (!clip_border(&from, &to, -dx, a.x - (b->x - CLIP)) || !clip_border(&from, &to, dx, b->x + b->w + CLIP - a.x) ||
        !clip_border(&from, &to, -dy, a.y - (b->y - CLIP)) || !clip_border(&from, &to, dy, b->y + b->h + CLIP - a.y))
        return;
    if (from > 0 || !cairo_has_current_point(cr))
        cairo_move_to(cr, a.x + from * dx, a.y + from * dy);
    cairo_line_to(cr, a.x + to * dx, a.y + to * dy);
}

/* Adds a line through points first..end - 1, of which there are at least two. */
static void line_path(cairo_t *cr, const plot_panel *p, size_t first, size_t end, bool steps) {
    cairo_new_sub_path(cr);
    for (size_t i = first; i + 1 < end; i++) {
        plot_point a = p->points.at[i], z = p->points.at[i + 1], corner = {z.x, a.y, a.y};
        if (steps) {
            segment(cr, &p->data, a, corner);
            segment(cr, &p->data, corner, z);
        } else {
            segment(cr, &p->data, a, z);
        }
    }
}

static void band_path(cairo_t *cr, const plot_panel *p, size_t first, size_t end) {
    cairo_new_sub_path(cr);
    for (size_t i = first; i < end; i++)
        cairo_line_to(cr, p->points.at[i].x, p->points.at[i].y);
    for (size_t i = end; i-- > first;)
        cairo_line_to(cr, p->points.at[i].x, p->points.at[i].y2);
    cairo_close_path(cr);
}

/* Draws the runs of two or more points between gaps. */
static void draw_runs(cairo_t *cr, const plot_panel *p, const plot_series *s) {
    for (size_t first = 0, end; first < p->points.n; first = end + 1) {
        for (end = first; end < p->points.n && !isnan(p->points.at[end].x);)
            end++;
        if (end - first >= 2 && s->style == PLOT_BAND)
            band_path(cr, p, first, end);
        else if (end - first >= 2)
            line_path(cr, p, first, end, s->style == PLOT_STEPS);
    }
    if (s->style == PLOT_BAND)
        cairo_fill(cr);
    else
        cairo_stroke(cr);
}

/* Draws dots, and points between two gaps: as a dot, or for a band as a bar. */
static void draw_dots(cairo_t *cr, const plot_panel *p, const plot_series *s) {
    const plot_point *at = p->points.at;
    for (size_t i = 0; i < p->points.n; i++) {
        bool alone = (i == 0 || isnan(at[i - 1].x)) && (i + 1 == p->points.n || isnan(at[i + 1].x));
        if (isnan(at[i].x) || (s->style != PLOT_DOTS && !alone))
            continue;
        if (s->style == PLOT_BAND)
            cairo_rectangle(cr, at[i].x - DOT_RADIUS, fmin(at[i].y, at[i].y2), 2 * DOT_RADIUS,
                            fabs(at[i].y2 - at[i].y));
        else
            dot(cr, at[i].x, at[i].y, DOT_RADIUS);
    }
    cairo_fill(cr);
}

static int draw_one(plot_panel *p, size_t i) {
    int rc = OK;
    cairo_t *cr = p->sheet->cr;
    const plot_series *s = &p->chart->series[i];
    TRY(plot_points_make(&p->points, s, &p->x, &p->y));
    cairo_save(cr);
    cairo_rectangle(cr, p->data.x - 3, p->data.y - 3, p->data.w + 6, p->data.h + 5);
    cairo_clip(cr);
    pen(cr, p->chart, i);
    if ((double)p->points.n > p->data.w) /* takes half the time, without a visible difference */
        cairo_set_antialias(cr, CAIRO_ANTIALIAS_FAST);
    cairo_new_path(cr);
    if (s->style != PLOT_DOTS)
        draw_runs(cr, p, s);
    draw_dots(cr, p, s);
    cairo_restore(cr);
done:
    return rc;
}

int plot_series_draw(plot_panel *p) {
    static const int layer[] = {[PLOT_BAND] = 0, [PLOT_FAINT] = 1, [PLOT_LINE] = 2, [PLOT_STEPS] = 2, [PLOT_DOTS] = 3};
    int rc = OK;
    for (int k = 0; k <= 3; k++)
        for (size_t i = 0; i < p->chart->series_n; i++)
            if (layer[p->chart->series[i].style] == k)
                TRY(draw_one(p, i));
done:
    return rc;
}

void plot_series_sample(plot_panel *p, size_t i, double x, double middle) {
    cairo_t *cr = p->sheet->cr;
    cairo_save(cr);
    cairo_new_path(cr);
    pen(cr, p->chart, i);
    switch (p->chart->series[i].style) {
    case PLOT_DOTS: dot(cr, x + 9, middle, DOT_RADIUS + 0.5); break;
    case PLOT_BAND: cairo_rectangle(cr, x, middle - 5, 18, 10); break;
    case PLOT_STEPS:
        cairo_move_to(cr, x, middle - 3);
        cairo_line_to(cr, x + 9, middle - 3);
        cairo_line_to(cr, x + 9, middle + 3);
        cairo_line_to(cr, x + 18, middle + 3);
        break;
    case PLOT_FAINT: /* about as thick as a noisy line appears */ cairo_rectangle(cr, x, middle - 2, 18, 4); break;
    case PLOT_LINE:
        cairo_move_to(cr, x, middle);
        cairo_line_to(cr, x + 18, middle);
        break;
    }
    if (is_line(&p->chart->series[i]))
        cairo_stroke(cr);
    else
        cairo_fill(cr);
    cairo_restore(cr);
}
