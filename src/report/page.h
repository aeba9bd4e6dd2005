/** The page while it is being written, and its images. Private to the report. */
#ifndef LINNET_REPORT_PAGE_H
#define LINNET_REPORT_PAGE_H

#include "base/text.h"
#include "report/html.h"
#include "report/plot/plot.h"

#include <math.h>

typedef struct page {
    const char *folder; /* borrowed; contains images/ */
    text body;
    text undrawn;        /* images that could not be drawn, "Loss, Accuracy" */
    text why;            /* the reason */
    int pictures;        /* on the page */
    html_narrow *narrow; /* (narrow_n) owned; those of report.html */
    size_t narrow_n;
} page;

void page_deinit(page *p);

enum { PANELS = 8 };

/** An image being composed: panels, their series, and the arrays of the series. {0} is empty. */
typedef struct picture {
    plot_chart chart[PANELS];
    size_t chart_n;
    plot_series *series[PANELS]; /* owned */
    plot_mark *mark[PANELS];     /* owned */
    double **array;              /* (array_n) owned */
    size_t array_n;
    size_t points; /* finite ones, of all panels */
} picture;

/** n doubles that are freed with the picture. @return 0 or E_NOMEM */
int picture_array(double **out, picture *p, size_t n);
/** Adds a panel, to which the following calls add. At most PANELS. */
void picture_panel(picture *p, const char *title, plot_axis x, plot_axis y);
/** Adds a curve; one without a finite point is omitted. x, y, name: borrowed.
 *  @return 0 or E_NOMEM */
int picture_curve(picture *p, const char *name, const double *x, const double *y, size_t n, plot_style style,
                  int color);
/** The area between y and y2. @return 0 or E_NOMEM */
int picture_band(picture *p, const char *name, const double *x, const double *y, const double *y2, size_t n, int color);
/** label: borrowed. @return 0 or E_NOMEM */
int picture_mark(picture *p, double x, double y, const char *label);
/** Draws it, writes images/NAME.png and appends it to the page. If it cannot be drawn, its alt text is added to
 *  page.undrawn. Does nothing without points. @return 0, E_IO, E_FULL, E_NOMEM */
int picture_put(page *to, picture *p, const char *name, const char *alt, int columns);
void picture_deinit(picture *p);

/** The same for a PNG that was drawn with status `drawn`. */
int page_png(page *p, int drawn, const text *png, const char *name, const char *alt);

/** *png: for the form of picture `name` (static) for narrow screens; valid until the next one. @return 0 or E_NOMEM */
int page_narrow(text **png, page *p, const char *name);

static inline plot_axis axis(const char *label) { return (plot_axis){.label = label, .low = NAN, .high = NAN}; }
static inline plot_axis axis_from(const char *label, double low) {
    return (plot_axis){.label = label, .low = low, .high = NAN};
}

#endif
