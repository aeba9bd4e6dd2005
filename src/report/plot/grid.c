/* Grids of thumbnails. */

#include "base/status.h"
#include "report/plot/draw.h"
#include "report/plot/plot.h"

#include <cairo.h>
#include <math.h>

enum { COLUMNS_MAX = 10, MARGIN = 14, GAP = 10, TITLE = 30, LINE = 15, BELOW = 8, SMALL = 11, LARGE = 14 };

/* The properties shared by all cells. */
typedef struct cells {
    int columns, width; /* of the sheet */
    double w, h;        /* of the picture */
    int lines;          /* of text below it: 0..2 */
    double top;
} cells;

static double pitch(const cells *c) { return c->h + (c->lines > 0 ? 4 + c->lines * LINE : 0) + BELOW; }

static bool has_text(const char *s) { return s != NULL && *s != 0; }

static bool has_pixels(const plot_thumbnail *t) { return t->rgb != NULL && t->w > 0 && t->h > 0; }

static void measure(cells *c, const char *title, const plot_thumbnail *image, size_t n, int columns, int width) {
    *c = (cells){.columns = columns < 1 ? 1 : columns > COLUMNS_MAX ? COLUMNS_MAX : columns, .width = width};
    c->w = floor((width - 2 * MARGIN - (c->columns - 1) * GAP) / (double)c->columns);
    double tall = 0;
    for (size_t i = 0; i < n; i++) {
        if (has_pixels(&image[i]))
            tall = fmax(tall, (double)image[i].h / image[i].w);
        int lines = has_text(image[i].second) ? 2 : has_text(image[i].first) ? 1 : 0;
        c->lines = lines > c->lines ? lines : c->lines;
    }
    c->h = round(c->w * (tall == 0 ? 1 : fmax(0.4, fmin(tall, 1.5))));
    c->top = MARGIN + (has_text(title) ? TITLE - 4 : 0);
}

/* Draws the picture into the middle of the box, as large as its aspect ratio allows. */
static int draw_picture(cairo_t *cr, const plot_thumbnail *t, plot_box b) {
    int rc = OK;
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, t->w, t->h);
    cairo_status_t status = cairo_surface_status(s);
    if (status != CAIRO_STATUS_SUCCESS) {
        rc = fail(E_NOMEM, "cannot draw an image of %d x %d pixels: cairo: %s", t->w, t->h,
                  cairo_status_to_string(status));
        goto done;
    }
    unsigned char *data = cairo_image_surface_get_data(s);
    size_t stride = (size_t)cairo_image_surface_get_stride(s), w = (size_t)t->w;
    for (size_t y = 0; y < (size_t)t->h; y++) {
        uint32_t *row = (uint32_t *)(void *)(data + y * stride);
        const uint8_t *from = t->rgb + 3 * w * y;
        for (size_t x = 0; x < w; x++, from += 3)
            row[x] = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
    }
    cairo_surface_mark_dirty(s);
    double zoom = fmin(b.w / t->w, b.h / t->h), shown_w = fmax(1, round(zoom * t->w)),
           shown_h = fmax(1, round(zoom * t->h));
    cairo_save(cr);
    cairo_translate(cr, b.x + floor((b.w - shown_w) / 2), b.y + floor((b.h - shown_h) / 2));
    cairo_rectangle(cr, 0, 0, shown_w, shown_h);
    cairo_clip(cr);
    cairo_scale(cr, shown_w / t->w, shown_h / t->h);
    cairo_set_source_surface(cr, s, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_GOOD);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD); /* avoids pale edges */
    cairo_paint(cr);
    cairo_restore(cr);
done:
    cairo_surface_destroy(s);
    return rc;
}

static void draw_line(cairo_t *cr, double x, double y, double w, uint32_t color, const char *s) {
    char line[PLOT_TEXT];
    plot_text_fit(line, cr, s, w);
    plot_color(cr, color, 1);
    plot_text_draw(cr, x, y, 0, line);
}

static int draw_cell(cairo_t *cr, const cells *c, const plot_thumbnail *t, size_t i) {
    int rc = OK;
    size_t columns = (size_t)c->columns, row = i / columns;
    plot_box b = {MARGIN + (double)(i % columns) * (c->w + GAP), c->top + (double)row * pitch(c), c->w, c->h};
    cairo_rectangle(cr, b.x, b.y, b.w, b.h);
    plot_color(cr, PLOT_GROUND, 1);
    cairo_fill(cr);
    if (has_pixels(t))
        TRY(draw_picture(cr, t, b));
    plot_font(cr, SMALL, false);
    draw_line(cr, b.x, b.y + b.h + 14, b.w, PLOT_DARK, t->first);
    draw_line(cr, b.x, b.y + b.h + 14 + LINE, b.w, t->wrong ? PLOT_RED : PLOT_GRAY, t->second);
done:
    return rc;
}

static int draw_grid(text *png, const char *title, const plot_thumbnail *image, size_t n, int columns, int width) {
    plot_sheet sheet = {0};
    cells c;
    int rc = OK;
    measure(&c, title, image, n, columns, width);
    size_t rows = (n + (size_t)c.columns - 1) / (size_t)c.columns;
    double h = c.top + (double)rows * pitch(&c) + MARGIN - BELOW;
    TRY(plot_sheet_open(&sheet, c.width, (int)fmin(ceil(h), 1 << 20)));
    plot_font(sheet.cr, LARGE, true);
    draw_line(sheet.cr, MARGIN, MARGIN + 11, c.width - 2 * MARGIN, PLOT_DARK, title);
    for (size_t i = 0; i < n; i++)
        TRY(draw_cell(sheet.cr, &c, &image[i], i));
    TRY(plot_sheet_png(png, &sheet));
done:
    plot_sheet_close(&sheet);
    return rc;
}

int plot_grid(text *png, const char *title, const plot_thumbnail *image, size_t n, int columns) {
    return draw_grid(png, title, image, n, columns, PLOT_WIDTH);
}

int plot_grid_narrow(text *png, const char *title, const plot_thumbnail *image, size_t n) {
    return draw_grid(png, title, image, n, PLOT_NARROW_COLUMNS, PLOT_NARROW);
}
