/* Charts: ranges, layout and axes of a panel. A panel contains from top to bottom: title, legend, data, tick labels,
 * axis label. */

#include "base/status.h"
#include "report/plot/panel.h"

#include <cairo.h>
#include <math.h>

enum { COLUMNS_MAX = 3, TITLE = 22, AXIS_LABEL = 18, TICK_LABEL = 17, TICK = 4 };

#define X_MARGIN 0.02 /* fraction of the range, beside the data */
#define Y_MARGIN 0.05

const char *plot_unavailable(void) { return NULL; }

/* The x range of data and marks; *any: whether a series has a point. */
static plot_range x_extent(const plot_chart *c, bool *any) {
    plot_range r = plot_range_empty;
    for (size_t k = 0; k < c->series_n; k++)
        for (size_t i = 0; i < c->series[k].n; i++)
            if (plot_point_usable(&c->series[k], i, c->x.log, c->y.log))
                plot_range_add(&r, c->series[k].x[i]);
    *any = r.low <= r.high;
    for (size_t k = 0; k < c->mark_n; k++)
        if (plot_usable(c->mark[k].x, c->x.log) && plot_usable(c->mark[k].y, c->y.log))
            plot_range_add(&r, c->mark[k].x);
    return r;
}

/* The y range of the points between x.low and x.high. */
static plot_range y_extent(const plot_chart *c, plot_range x) {
    plot_range r = plot_range_empty;
    for (size_t k = 0; k < c->series_n; k++) {
        const plot_series *s = &c->series[k];
        for (size_t i = 0; i < s->n; i++) {
            if (s->x[i] < x.low || s->x[i] > x.high || !plot_point_usable(s, i, c->x.log, c->y.log))
                continue;
            plot_range_add(&r, s->y[i]);
            if (s->style == PLOT_BAND)
                plot_range_add(&r, s->y2[i]);
        }
    }
    for (size_t k = 0; k < c->mark_n; k++)
        if (c->mark[k].x >= x.low && c->mark[k].x <= x.high && plot_usable(c->mark[k].y, c->y.log))
            plot_range_add(&r, c->mark[k].y);
    return r;
}

static int clamp_int(double v, int low, int high) { return v < low ? low : v > high ? high : (int)v; }

/* Removes labels that would touch the previous one. @return the number removed */
static int blank_crowded(plot_ticks *t, cairo_t *cr, const plot_scale *x) {
    int blanked = 0;
    double free_from = -INFINITY;
    for (int i = 0; i < t->n; i++) {
        double half = plot_text_width(cr, t->label[i]) / 2, at = plot_scale_pixel(x, t->at[i]);
        if (at - half < free_from) {
            t->label[i][0] = 0;
            blanked++;
        } else {
            free_from = at + half + 10;
        }
    }
    return blanked;
}

static void make_x_ticks(plot_ticks *t, plot_panel *p, plot_range r) {
    int most = clamp_int(p->data.w / 36, 2, PLOT_TICKS / 2);
    do
        plot_ticks_make(t, r, &p->chart->x, most);
    while (blank_crowded(t, p->sheet->cr, &p->x) > 0 && --most >= 2);
}

static double widest_label(const plot_ticks *t, cairo_t *cr) {
    double w = 0;
    for (int i = 0; i < t->n; i++)
        w = fmax(w, plot_text_width(cr, t->label[i]));
    return w;
}

static bool has_text(const char *s) { return s != NULL && *s != 0; }

/* Draws title and legend. @return the y position below them */
static double draw_head(plot_panel *p) {
    cairo_t *cr = p->sheet->cr;
    char title[PLOT_TEXT];
    double top = p->box.y + PLOT_MARGIN - 4;
    if (has_text(p->chart->title)) {
        plot_font(cr, PLOT_LARGE, true);
        plot_text_fit(title, cr, p->chart->title, p->box.w - 2 * PLOT_MARGIN);
        plot_color(cr, PLOT_DARK, 1);
        plot_text_draw(cr, p->box.x + PLOT_MARGIN, top + 15, 0, title);
        top += TITLE;
    }
    return top;
}

static void draw_no_data(plot_panel *p, double top) {
    cairo_t *cr = p->sheet->cr;
    plot_box b = {p->box.x + PLOT_MARGIN, top + 6, p->box.w - 2 * PLOT_MARGIN, 0};
    b.h = p->box.y + p->box.h - PLOT_MARGIN - b.y;
    cairo_rectangle(cr, b.x, b.y, b.w, b.h);
    plot_color(cr, PLOT_GROUND, 1);
    cairo_fill(cr);
    plot_font(cr, PLOT_LARGE, false);
    plot_color(cr, PLOT_GRAY, 1);
    plot_text_draw(cr, b.x + b.w / 2, b.y + b.h / 2 + 5, 0.5, "no data yet");
}

static void lines(const plot_panel *p, const double *at, int n, bool is_x, uint32_t color) {
    cairo_t *cr = p->sheet->cr;
    const plot_box *b = &p->data;
    for (int i = 0; i < n; i++) {
        double v = floor(plot_scale_pixel(is_x ? &p->x : &p->y, at[i])) + 0.5;
        cairo_move_to(cr, is_x ? v : b->x, is_x ? b->y : v);
        cairo_line_to(cr, is_x ? v : b->x + b->w, is_x ? b->y + b->h : v);
    }
    plot_color(cr, color, 1);
    cairo_set_line_width(cr, 1);
    cairo_stroke(cr);
}

static void draw_grid(const plot_panel *p, const plot_ticks *x, const plot_ticks *y) {
    lines(p, x->minor, x->minor_n, true, PLOT_GRID_MINOR);
    lines(p, y->minor, y->minor_n, false, PLOT_GRID_MINOR);
    lines(p, x->at, x->n, true, PLOT_GRID);
    lines(p, y->at, y->n, false, PLOT_GRID);
}

/* Draws the line of the x axis, before the data, which may cover it. */
static void draw_spine(const plot_panel *p, const plot_ticks *x) {
    cairo_t *cr = p->sheet->cr;
    const plot_box *b = &p->data;
    double y = b->y + b->h + 0.5;
    cairo_move_to(cr, b->x, y);
    cairo_line_to(cr, b->x + b->w, y);
    for (int i = 0; i < x->n; i++) {
        double v = floor(plot_scale_pixel(&p->x, x->at[i])) + 0.5;
        cairo_move_to(cr, v, y);
        cairo_line_to(cr, v, y + TICK);
    }
    plot_color(cr, PLOT_SPINE, 1);
    cairo_set_line_width(cr, 1);
    cairo_stroke(cr);
}

static void draw_tick_labels(const plot_panel *p, const plot_ticks *x, const plot_ticks *y) {
    cairo_t *cr = p->sheet->cr;
    plot_font(cr, PLOT_SMALL, false);
    plot_color(cr, PLOT_GRAY, 1);
    for (int i = 0; i < y->n; i++)
        plot_text_draw(cr, p->data.x - 6, plot_scale_pixel(&p->y, y->at[i]) + 4, 1, y->label[i]);
    for (int i = 0; i < x->n; i++) {
        double half = plot_text_width(cr, x->label[i]) / 2, right = p->box.x + p->box.w - 2 - half;
        plot_text_draw(cr, fmin(plot_scale_pixel(&p->x, x->at[i]), right), p->data.y + p->data.h + TICK + 12, 0.5,
                       x->label[i]);
    }
}

static void draw_axis_labels(const plot_panel *p) {
    cairo_t *cr = p->sheet->cr;
    char label[PLOT_TEXT];
    plot_font(cr, PLOT_NORMAL, false);
    plot_color(cr, PLOT_DARK, 1);
    plot_text_fit(label, cr, p->chart->x.label, p->data.w);
    plot_text_draw(cr, p->data.x + p->data.w / 2, p->box.y + p->box.h - PLOT_MARGIN + 4, 0.5, label);
    plot_text_fit(label, cr, p->chart->y.label, p->data.h);
    cairo_save(cr);
    cairo_translate(cr, p->box.x + PLOT_MARGIN + 8, round(p->data.y + p->data.h / 2));
    cairo_rotate(cr, -M_PI / 2);
    plot_text_draw(cr, 0, 0, 0.5, label);
    cairo_restore(cr);
}

/* Sets p->data, the scales and the ticks; `top` is the lower end of title and legend. */
static void layout(plot_panel *p, plot_ticks *x_ticks, plot_ticks *y_ticks, plot_range x, plot_range y, double top) {
    const plot_chart *c = p->chart;
    cairo_t *cr = p->sheet->cr;
    double bottom = p->box.y + p->box.h - PLOT_MARGIN - TICK_LABEL - (has_text(c->x.label) ? AXIS_LABEL : 0);
    p->data.y = floor(top + 10);
    p->data.h = floor(bottom - p->data.y);
    p->y = plot_scale_make(y, c->y.log, p->data.y + p->data.h, p->data.y);
    plot_ticks_make(y_ticks, y, &c->y, clamp_int(p->data.h / 42, 2, PLOT_TICKS / 2));
    plot_font(cr, PLOT_SMALL, false);
    double left = PLOT_MARGIN + (has_text(c->y.label) ? AXIS_LABEL : 0) + widest_label(y_ticks, cr) + 6;
    p->data.x = ceil(p->box.x + left);
    p->data.w = floor(p->box.x + p->box.w - PLOT_MARGIN - 4 - p->data.x);
    p->x = plot_scale_make(x, c->x.log, p->data.x, p->data.x + p->data.w);
    make_x_ticks(x_ticks, p, x);
}

static int draw_panel(plot_sheet *sheet, const plot_chart *c, plot_box box) {
    plot_panel p = {.sheet = sheet, .chart = c, .box = box};
    plot_ticks x_ticks, y_ticks;
    bool any = false;
    int rc = OK;
    plot_range x = x_extent(c, &any);
    double top = draw_head(&p);
    if (!any) {
        draw_no_data(&p, top);
        goto done;
    }
    top += plot_legend(&p, top, true);
    x = plot_range_settle(x, &c->x, X_MARGIN, false);
    layout(&p, &x_ticks, &y_ticks, x, plot_range_settle(y_extent(c, x), &c->y, Y_MARGIN, true), top);
    draw_grid(&p, &x_ticks, &y_ticks);
    draw_spine(&p, &x_ticks);
    TRY(plot_series_draw(&p));
    draw_tick_labels(&p, &x_ticks, &y_ticks);
    draw_axis_labels(&p);
    plot_marks_draw(&p);
done:
    plot_points_deinit(&p.points);
    return rc;
}

/* Draws panels in rows of `columns`, each `width` pixels wide. */
static int draw_charts(text *png, const plot_chart *chart, size_t n, int columns, int width) {
    static const plot_chart none = {0};
    plot_sheet sheet = {0};
    int rc = OK;
    if (n == 0) {
        chart = &none;
        n = 1;
    }
    size_t across = (size_t)clamp_int(columns, 1, COLUMNS_MAX);
    across = across > n ? n : across;
    size_t rows = (n + across - 1) / across;
    TRY(plot_sheet_open(&sheet, width, clamp_int((double)rows * PLOT_HEIGHT, 0, 1 << 20)));
    for (size_t i = 0; i < n; i++) {
        double w = (double)width / (double)across;
        size_t row = i / across;
        plot_box box = {floor((double)(i % across) * w), (double)row * PLOT_HEIGHT, floor(w), PLOT_HEIGHT};
        TRY(draw_panel(&sheet, &chart[i], box));
    }
    TRY(plot_sheet_png(png, &sheet));
done:
    plot_sheet_close(&sheet);
    return rc;
}

int plot_charts(text *png, const plot_chart *chart, size_t n, int columns) {
    return draw_charts(png, chart, n, columns, PLOT_WIDTH);
}

int plot_charts_narrow(text *png, const plot_chart *chart, size_t n) {
    return draw_charts(png, chart, n, 1, PLOT_NARROW);
}
