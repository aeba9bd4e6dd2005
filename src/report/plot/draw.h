/** Drawing functions for charts and grids: sheet, colours, text. cairo's types are declared by their struct tags, so
 * that this header does not include cairo.h. */
#ifndef LINNET_REPORT_PLOT_DRAW_H
#define LINNET_REPORT_PLOT_DRAW_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct _cairo cairo_t;
typedef struct _cairo_surface cairo_surface_t;

/** A white sheet of w x h pixels. {0} is closed. */
typedef struct plot_sheet {
    cairo_surface_t *surface;
    cairo_t *cr;
    int w, h;
} plot_sheet;

int plot_sheet_open(plot_sheet *out, int w, int h); /* 0 or E_NOMEM */
void plot_sheet_close(plot_sheet *s);
/** Appends the sheet as PNG; also reports errors of drawing. @return 0 or E_NOMEM; then *png is unchanged */
int plot_sheet_png(text *png, plot_sheet *s);

typedef struct plot_box {
    double x, y, w, h; /* pixels */
} plot_box;

/** The amount drawn in a box, as a sum of darkness: 0 if it contains only background and grid. */
double plot_sheet_ink(plot_sheet *s, plot_box b);

/* 0xRRGGBB */
enum {
    PLOT_DARK = 0x24292F,
    PLOT_GRAY = 0x5B636D,
    PLOT_RED = 0xC0262D,
    PLOT_GROUND = 0xF6F7F9,
    PLOT_GRID = 0xE4E7EB,
    PLOT_GRID_MINOR = 0xF2F4F6,
    PLOT_SPINE = 0x9AA3AD
};

enum { PLOT_COLORS = 8 };
/** Colour i of a palette for colour-blind readers (Okabe and Ito, 2008, without its yellow); any i. */
uint32_t plot_palette(int i);
void plot_color(cairo_t *cr, uint32_t rgb, double alpha);

enum { PLOT_TEXT = 512 }; /* maximum bytes of a line of text */

/** Copies as UTF-8 that cairo accepts: malformed bytes and non-characters become ?, control characters spaces; NULL is
 * "". Text that does not fit ends with an ellipsis. */
void plot_text_clean(char out[PLOT_TEXT], const char *s);

void plot_font(cairo_t *cr, double pixels, bool bold);
/** The width of clean text. */
double plot_text_width(cairo_t *cr, const char *clean);
/** Clean text no wider than `width`: longer text ends with an ellipsis. */
void plot_text_fit(char out[PLOT_TEXT], cairo_t *cr, const char *s, double width);
/** Draws clean text on the baseline y; x is its left end (align 0), middle (0.5) or right end (1). */
void plot_text_draw(cairo_t *cr, double x, double y, double align, const char *clean);

#endif
