/* The confusion matrix: a square of cells, with the diagonal in blue and all other cells in orange, darker for
 * larger fractions. */

#include "base/status.h"
#include "report/plot/draw.h"
#include "report/plot/plot.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>

enum { MARGIN = 14, TITLE = 26, LINE = 18, SMALL = 11, LARGE = 14, NAMES = 120, CELL_MAX = 60, SIDE_MAX = 2000 };

/* The layout of the square. With many classes, `block` x `block` values share a cell, which shows the largest. */
typedef struct matrix {
    const double *value; /* (n, n) */
    int n, block, cells; /* cells across */
    double side;         /* pixels of a cell */
    double x, y;         /* of the square */
    bool names;          /* beside it */
} matrix;

static void measure(matrix *m) {
    double room = PLOT_WIDTH - 2 * MARGIN - LINE;
    m->block = (m->n + SIDE_MAX - 1) / SIDE_MAX;
    m->cells = (m->n + m->block - 1) / m->block;
    m->names = (room - NAMES) / m->cells >= SMALL;
    room -= m->names ? NAMES : 0;
    m->side = fmax(1, fmin(CELL_MAX, floor(room / m->cells)));
    m->x = MARGIN + LINE + (m->names ? NAMES : 0);
    m->y = MARGIN + TITLE + LINE + (m->names ? NAMES : 0);
}

static double largest(const matrix *m, int row, int column, bool diagonal) {
    double v = 0;
    for (int i = row * m->block; i < (row + 1) * m->block && i < m->n; i++)
        for (int k = column * m->block; k < (column + 1) * m->block && k < m->n; k++)
            if ((i == k) == diagonal)
                v = fmax(v, m->value[(size_t)i * (size_t)m->n + (size_t)k]);
    return v;
}

/* Blends white with the palette's colour; the square root makes a fraction of 1 % visible. */
static void color(cairo_t *cr, double v, bool diagonal) {
    plot_color(cr, plot_palette(diagonal ? 0 : 1), sqrt(fmin(fmax(v, 0), 1)));
}

static void draw_cells(cairo_t *cr, const matrix *m) {
    for (int i = 0; i < m->cells; i++)
        for (int k = 0; k < m->cells; k++) {
            double v = largest(m, i, k, i == k), x = m->x + k * m->side, y = m->y + i * m->side;
            char number[16];
            if (v <= 0)
                continue;
            color(cr, v, i == k);
            cairo_rectangle(cr, x, y, m->side, m->side);
            cairo_fill(cr);
            if (m->side < 26)
                continue;
            snprintf(number, sizeof number, "%.0f", 100 * v);
            plot_font(cr, SMALL, false);
            plot_color(cr, v > 0.6 ? 0xFFFFFF : PLOT_DARK, 1);
            plot_text_draw(cr, x + m->side / 2, y + m->side / 2 + 4, 0.5, number);
        }
}

static void draw_names(cairo_t *cr, const matrix *m, const char *const *name) {
    char line[PLOT_TEXT];
    plot_font(cr, SMALL, false);
    plot_color(cr, PLOT_GRAY, 1);
    for (int i = 0; i < m->n; i++) {
        double middle = (i + 0.5) * m->side;
        plot_text_fit(line, cr, name[i], NAMES - 8);
        plot_text_draw(cr, m->x - 6, m->y + middle + 4, 1, line);
        cairo_save(cr);
        cairo_translate(cr, round(m->x + middle + 4), m->y - 6);
        cairo_rotate(cr, -M_PI / 2);
        plot_text_draw(cr, 0, 0, 0, line);
        cairo_restore(cr);
    }
}

static void draw_frame(cairo_t *cr, const matrix *m) {
    double w = m->cells * m->side;
    plot_color(cr, PLOT_SPINE, 1);
    cairo_set_line_width(cr, 1);
    cairo_rectangle(cr, floor(m->x) - 0.5, floor(m->y) - 0.5, w + 1, w + 1);
    cairo_stroke(cr);
    plot_font(cr, SMALL, false);
    plot_color(cr, PLOT_DARK, 1);
    plot_text_draw(cr, m->x, MARGIN + TITLE + 8, 0, "predicted class; % of the images of each true class (row)");
    cairo_save(cr);
    cairo_translate(cr, MARGIN + 10, m->y + w);
    cairo_rotate(cr, -M_PI / 2);
    plot_text_draw(cr, 0, 0, 0, "true class");
    cairo_restore(cr);
}

int plot_matrix(text *png, const char *title, const double *value, const char *const *name, int n) {
    plot_sheet sheet = {0};
    matrix m = {.value = value, .n = n};
    char line[PLOT_TEXT];
    int rc = OK;
    measure(&m);
    double w = m.cells * m.side;
    TRY(plot_sheet_open(&sheet, (int)fmax(PLOT_WIDTH, m.x + w + MARGIN), (int)(m.y + w + MARGIN)));
    plot_font(sheet.cr, LARGE, true);
    plot_text_fit(line, sheet.cr, title, PLOT_WIDTH - 2 * MARGIN);
    plot_color(sheet.cr, PLOT_DARK, 1);
    plot_text_draw(sheet.cr, MARGIN, MARGIN + 11, 0, line);
    draw_cells(sheet.cr, &m);
    if (m.names)
        draw_names(sheet.cr, &m, name);
    draw_frame(sheet.cr, &m);
    TRY(plot_sheet_png(png, &sheet));
done:
    plot_sheet_close(&sheet);
    return rc;
}
