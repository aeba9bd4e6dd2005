/** Axes of a chart: their range and ticks, and the conversion of values to pixels. Pure functions. */
#ifndef LINNET_REPORT_PLOT_AXIS_H
#define LINNET_REPORT_PLOT_AXIS_H

#include "report/plot/plot.h"

#include <math.h>

typedef struct plot_range {
    double low, high; /* low > high: empty */
} plot_range;

extern const plot_range plot_range_empty;

/** Whether an axis can show v: finite, and positive on a log axis. */
static inline bool plot_usable(double v, bool log) { return isfinite(v) && (!log || v > 0); }

/** Extends the range to include v, which is usable. */
static inline void plot_range_add(plot_range *r, double v) {
    r->low = v < r->low ? v : r->low;
    r->high = v > r->high ? v : r->high;
}

/** The range of an axis: the one set in `a`, else that of the data with a margin of `margin` (a fraction of the range)
 * on each side. Never empty or too small for double precision; a constant is in the middle. With `from_zero` the margin
 * of values >= 0 does not extend below 0, and the range starts at 0 if that is near. */
plot_range plot_range_settle(plot_range data, const plot_axis *a, double margin, bool from_zero);

enum { PLOT_TICKS = 24, PLOT_MINOR = 128, PLOT_LABEL = 24 };

typedef struct plot_ticks {
    int n, minor_n;
    double at[PLOT_TICKS];
    char label[PLOT_TICKS][PLOT_LABEL]; /* "0.25", "20k", "1e-3" */
    double minor[PLOT_MINOR];           /* without labels; only on log axes */
} plot_ticks;

/** At most about `most` (2..PLOT_TICKS / 2) ticks at steps of 1, 2 or 5 times a power of ten; only whole numbers if
 * a->whole is set; on a log axis decades, or parts of decades if there are fewer than two. */
void plot_ticks_make(plot_ticks *out, plot_range r, const plot_axis *a, int most);

/** Values to pixels. */
typedef struct plot_scale {
    bool log;
    double low, high; /* logarithms on a log axis */
    double from, to;  /* pixels of low and high */
} plot_scale;

plot_scale plot_scale_make(plot_range r, bool log, double from, double to);
/** The pixel of a usable value; at most 1e6 pixels outside the axis. */
double plot_scale_pixel(const plot_scale *s, double v);
double plot_scale_value(const plot_scale *s, double pixel);

#endif
