/** Images for reports: line charts, grids of thumbnails and confusion matrices, as PNG. Drawn with cairo; a build
 * without it returns E_UNSUPPORTED. The image is a pure function of the arguments (no clock, no locale). */
#ifndef LINNET_REPORT_PLOT_PLOT_H
#define LINNET_REPORT_PLOT_PLOT_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Why no image can be drawn ("this build has no cairo: install libcairo2-dev and rebuild"), or NULL. */
const char *plot_unavailable(void);

typedef enum plot_style {
    PLOT_LINE,
    PLOT_FAINT, /* a thin pale line, for the raw values of a smoothed curve */
    PLOT_DOTS,
    PLOT_BAND, /* the area between y and y2 */
    PLOT_STEPS /* constant until the next x: a learning rate */
} plot_style;

typedef struct plot_series {
    const char *name;         /* in the legend; NULL: not listed */
    const double *x, *y, *y2; /* (n) borrowed; NaN and infinity are gaps, a single point a dot; y2 only for PLOT_BAND */
    size_t n;
    plot_style style;
    int color; /* index into the palette; -1: the index in the list. Lines of one colour belong together; every second
                  of the named ones is dashed */
} plot_series;

/** A marked point with a label beside it (the suggested LR, the best epoch); omitted if it is outside the axes. */
typedef struct plot_mark {
    double x, y;
    const char *label;
} plot_mark;

typedef struct plot_axis {
    const char *label; /* with its unit: "epoch", "images/s", "learning rate" */
    bool log;          /* log10; values <= 0 are gaps */
    bool whole;        /* ticks only at whole numbers: epochs */
    double low, high;  /* NaN: from the data and the marks; low > high is read as high..low */
} plot_axis;

/** One panel. All text is UTF-8, shortened with an ellipsis if it does not fit; malformed bytes are shown as ?. */
typedef struct plot_chart {
    const char *title;
    plot_axis x, y;
    const plot_series *series;
    size_t series_n;
    const plot_mark *mark;
    size_t mark_n;
} plot_chart;

/** Draws panels in `columns` (1 to 3, at most n), each PLOT_WIDTH / columns wide; legible at 800 pixels. A panel
 * without a finite point shows "no data yet". Long series are reduced to what pixels can show (first, last, minimum and
 * maximum of each column of pixels).
 *  @param[out] png  appended; unchanged after an error
 *  Threads: any, each with its own text.
 *  @return 0, E_UNSUPPORTED (built without cairo), E_NOMEM (also if the image is taller than 32,767 pixels) */
enum { PLOT_WIDTH = 800, PLOT_HEIGHT = 400 }; /* of one row of panels */
int plot_charts(text *png, const plot_chart *chart, size_t n, int columns);

/** The same for narrow screens: one column, PLOT_NARROW wide. */
enum { PLOT_NARROW = 400 };
int plot_charts_narrow(text *png, const plot_chart *chart, size_t n);

typedef struct plot_thumbnail {
    const uint8_t *rgb; /* (h, w, 3), borrowed */
    int w, h;
    const char *first, *second; /* lines below it, dark and gray, shortened with an ellipsis to its width; UTF-8
                                   (malformed bytes are shown as ?); may be NULL */
    bool wrong;                 /* the second line is red: a wrong prediction */
} plot_thumbnail;

/** A grid of thumbnails, scaled to equal cells, on a white sheet PLOT_WIDTH wide with a title; `columns` is 1 to 10.
 *  @return as plot_charts */
int plot_grid(text *png, const char *title, const plot_thumbnail *image, size_t n, int columns);

/** The same for narrow screens: PLOT_NARROW wide. Its cells are about as wide as those of twice as many columns. */
enum { PLOT_NARROW_COLUMNS = 3 };
int plot_grid_narrow(text *png, const char *title, const plot_thumbnail *image, size_t n);

/** A confusion matrix: cell (i, k) shows value[i * n + k], the fraction (0..1) of class i that is predicted as class k;
 *  names and numbers if there is room for them. PLOT_WIDTH wide, wider from several hundred classes on; with more than
 *  2,000 classes neighbours share a cell, which shows the largest value.
 *  @param name (n) UTF-8; malformed bytes are shown as ?
 *  @return as plot_charts */
int plot_matrix(text *png, const char *title, const double *value, const char *const *name, int n);

#endif
