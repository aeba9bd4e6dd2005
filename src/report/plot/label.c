/* Legends and marks: the texts beside and within the data. */

#include "report/plot/panel.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>

enum { ROW = 19, ROWS = 3, SAMPLE = 18, SAMPLE_GAP = 6, ENTRY_GAP = 18 };

/* ---- legend ---- */

/* The position of the next entry. */
typedef struct cursor {
    double x, y;
    int row; /* rows begun */
} cursor;

/* Moves to a position with `w` free pixels; false if all rows are full. */
static bool place(cursor *at, const plot_panel *p, double w) {
    double left = p->box.x + PLOT_MARGIN, right = p->box.x + p->box.w - PLOT_MARGIN;
    if (at->row > 0 && at->x + w <= right)
        return true;
    if (at->row == ROWS)
        return false;
    *at = (cursor){left, at->row > 0 ? at->y + ROW : at->y, at->row + 1};
    return true;
}

static size_t names_from(const plot_chart *c, size_t i) {
    size_t n = 0;
    for (; i < c->series_n; i++)
        n += c->series[i].name != NULL;
    return n;
}

double plot_legend(plot_panel *p, double top, bool draw) {
    cairo_t *cr = p->sheet->cr;
    char name[PLOT_TEXT], more[40];
    double all = p->box.w - 2 * PLOT_MARGIN;
    cursor at = {0, top, 0};
    plot_font(cr, PLOT_NORMAL, false);
    for (size_t i = 0; i < p->chart->series_n; i++) {
        if (p->chart->series[i].name == NULL)
            continue;
        size_t left = names_from(p->chart, i);
        snprintf(more, sizeof more, "and %zu more", left);
        double reserve = at.row == ROWS && left > 1 ? plot_text_width(cr, more) + ENTRY_GAP : 0;
        plot_text_fit(name, cr, p->chart->series[i].name, all - SAMPLE - SAMPLE_GAP);
        double w = SAMPLE + SAMPLE_GAP + plot_text_width(cr, name);
        bool fits = place(&at, p, w + reserve);
        if (draw) {
            plot_color(cr, PLOT_GRAY, 1);
            if (fits)
                plot_series_sample(p, i, at.x, at.y + ROW / 2.0);
            plot_color(cr, PLOT_GRAY, 1);
            plot_text_draw(cr, at.x + (fits ? SAMPLE + SAMPLE_GAP : 0), at.y + 14, 0, fits ? name : more);
        }
        if (!fits)
            break;
        at.x += w + ENTRY_GAP;
    }
    return at.row * ROW;
}

/* ---- marks ---- */

#define MARK_RADIUS 5.0
#define INK_WEIGHT 0.05 /* cost of a covered pixel's darkness, relative to one pixel of distance */

static bool on_axes(const plot_panel *p, double x, double y) {
    const plot_box *b = &p->data;
    return x >= b->x - 1 && x <= b->x + b->w + 1 && y >= b->y - 1 && y <= b->y + b->h + 1;
}

/* The position of the mark on the sheet; false if it is outside the axes. */
static bool mark_place(double *x, double *y, const plot_panel *p, const plot_mark *m) {
    if (!plot_usable(m->x, p->x.log) || !plot_usable(m->y, p->y.log))
        return false;
    *x = plot_scale_pixel(&p->x, m->x);
    *y = plot_scale_pixel(&p->y, m->y);
    return on_axes(p, *x, *y);
}

/* Draws a dashed line to the axis, and a ring around the data point, which remains visible. */
static void draw_point(plot_panel *p, double x, double y) {
    static const double dash[] = {2, 3};
    cairo_t *cr = p->sheet->cr;
    cairo_save(cr);
    cairo_set_dash(cr, dash, 2, 0);
    cairo_set_line_width(cr, 1);
    plot_color(cr, PLOT_DARK, 0.6);
    cairo_move_to(cr, floor(x) + 0.5, y + MARK_RADIUS);
    cairo_line_to(cr, floor(x) + 0.5, p->data.y + p->data.h);
    cairo_stroke(cr);
    cairo_restore(cr);
    static const struct ring {
        double width;
        uint32_t color;
    } ring[] = {{4.5, 0xFFFFFF}, {2, PLOT_DARK}};
    for (int i = 0; i < 2; i++) {
        cairo_new_path(cr);
        cairo_arc(cr, x, y, MARK_RADIUS, 0, 2 * M_PI);
        plot_color(cr, ring[i].color, 1);
        cairo_set_line_width(cr, ring[i].width);
        cairo_stroke(cr);
    }
}

static double clamp(double v, double low, double high) { return fmax(low, fmin(v, high)); }

/* The box of a label of w x h pixels near (x, y) that covers the least; nearer boxes are preferred. */
static plot_box label_box(plot_panel *p, double x, double y, double w, double h) {
    static const double distance[] = {9, 20, 36, 56, 80};
    const plot_box *d = &p->data;
    plot_box best = {0};
    double least = INFINITY;
    for (size_t k = 0; k < sizeof distance / sizeof *distance; k++)
        for (int turn = 0; turn < 16; turn++) {
            double c = cos(turn * M_PI / 8), s = -sin(turn * M_PI / 8);
            plot_box b = {x + c * (w / 2 + distance[k]) - w / 2, y + s * (h / 2 + distance[k]) - h / 2, w, h};
            b.x = round(clamp(b.x, d->x + 2, d->x + d->w - w - 2));
            b.y = round(clamp(b.y, d->y + 2, d->y + d->h - h - 2));
            double cost = distance[k] + INK_WEIGHT * plot_sheet_ink(p->sheet, b);
            if (cost < least - 1e-6) {
                least = cost;
                best = b;
            }
        }
    return best;
}

static void draw_label(plot_panel *p, double x, double y, const char *s) {
    enum { SIDE = 4, HEIGHT = 18 };
    cairo_t *cr = p->sheet->cr;
    char label[PLOT_TEXT];
    plot_font(cr, PLOT_NORMAL, true);
    plot_text_fit(label, cr, s, p->data.w - 4 - 2 * SIDE);
    if (label[0] == 0)
        return;
    plot_box b = label_box(p, x, y, plot_text_width(cr, label) + 2 * SIDE, HEIGHT);
    double near_x = clamp(x, b.x, b.x + b.w), near_y = clamp(y, b.y, b.y + b.h), away = hypot(near_x - x, near_y - y);
    if (away > 2 * MARK_RADIUS + 1) { /* a line to the point that the label belongs to */
        double start = (MARK_RADIUS + 2) / away;
        plot_color(cr, PLOT_GRAY, 1);
        cairo_set_line_width(cr, 1);
        cairo_move_to(cr, x + start * (near_x - x), y + start * (near_y - y));
        cairo_line_to(cr, near_x, near_y);
        cairo_stroke(cr);
    }
    plot_color(cr, 0xFFFFFF, 0.85);
    cairo_rectangle(cr, b.x, b.y, b.w, b.h);
    cairo_fill(cr);
    plot_color(cr, PLOT_DARK, 1);
    plot_text_draw(cr, b.x + SIDE, b.y + 13, 0, label);
}

void plot_marks_draw(plot_panel *p) {
    double x, y;
    for (size_t i = 0; i < p->chart->mark_n; i++)
        if (mark_place(&x, &y, p, &p->chart->mark[i]))
            draw_point(p, x, y);
    for (size_t i = 0; i < p->chart->mark_n; i++)
        if (mark_place(&x, &y, p, &p->chart->mark[i]))
            draw_label(p, x, y, p->chart->mark[i].label);
}
