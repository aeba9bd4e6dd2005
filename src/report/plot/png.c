/* The sheet: creation, darkness of an area, and output as PNG. */

#include "base/status.h"
#include "report/plot/draw.h"

#include <cairo.h>
#include <math.h>

static int failed(cairo_status_t status, const plot_sheet *s) {
    return fail(E_NOMEM, "cannot draw an image of %d x %d pixels: cairo: %s", s->w, s->h,
                cairo_status_to_string(status));
}

int plot_sheet_open(plot_sheet *out, int w, int h) {
    *out = (plot_sheet){.w = w, .h = h};
    out->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, w, h);
    out->cr = cairo_create(out->surface);
    cairo_status_t status = cairo_status(out->cr);
    if (status != CAIRO_STATUS_SUCCESS) {
        int rc = failed(status, out);
        plot_sheet_close(out);
        return rc;
    }
    cairo_font_options_t *font = cairo_font_options_create(); /* independent of the desktop's settings */
    cairo_font_options_set_antialias(font, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(font, CAIRO_HINT_STYLE_SLIGHT);
    cairo_font_options_set_hint_metrics(font, CAIRO_HINT_METRICS_ON);
    cairo_set_font_options(out->cr, font);
    cairo_font_options_destroy(font);
    plot_color(out->cr, 0xFFFFFF, 1);
    cairo_paint(out->cr);
    return OK;
}

void plot_sheet_close(plot_sheet *s) {
    cairo_destroy(s->cr);
    cairo_surface_destroy(s->surface);
    *s = (plot_sheet){0};
}

double plot_sheet_ink(plot_sheet *s, plot_box b) {
    enum { GROUND = 255 - 216 }; /* grid lines are lighter */
    int x0 = (int)fmax(0, floor(b.x)), x1 = (int)fmin(s->w, ceil(b.x + b.w));
    int y0 = (int)fmax(0, floor(b.y)), y1 = (int)fmin(s->h, ceil(b.y + b.h));
    double sum = 0;
    cairo_surface_flush(s->surface);
    const unsigned char *data = cairo_image_surface_get_data(s->surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(s->surface);
    for (int y = y0; y < y1; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)(data + (size_t)y * stride);
        for (int x = x0; x < x1; x++) {
            int r = (int)(row[x] >> 16 & 255), g = (int)(row[x] >> 8 & 255), blue = (int)(row[x] & 255);
            int least = r < g ? r : g, dark = 255 - (least < blue ? least : blue);
            sum += dark > GROUND ? dark - GROUND : 0;
        }
    }
    return sum;
}

static cairo_status_t write_bytes(void *to, const unsigned char *bytes, unsigned n) {
    return text_append(to, bytes, n) == OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_NO_MEMORY;
}

int plot_sheet_png(text *png, plot_sheet *s) {
    size_t before = png->n;
    cairo_status_t status = cairo_status(s->cr);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png_stream(s->surface, write_bytes, png);
    if (status == CAIRO_STATUS_SUCCESS)
        return OK;
    png->n = before;
    if (png->data != NULL)
        png->data[before] = 0;
    return failed(status, s);
}
