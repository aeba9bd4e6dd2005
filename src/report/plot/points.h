/** The points of a series in pixels, reduced to what pixels can show. */
#ifndef LINNET_REPORT_PLOT_POINTS_H
#define LINNET_REPORT_PLOT_POINTS_H

#include "report/plot/axis.h"

typedef struct plot_point {
    double x, y, y2; /* pixels; y2 = y except for a band; x is NaN at a gap */
} plot_point;

/** {0} is empty. */
typedef struct plot_points {
    plot_point *at;
    size_t n, capacity;
} plot_points;

/** Whether both axes can show point i. */
static inline bool plot_point_usable(const plot_series *s, size_t i, bool x_log, bool y_log) {
    return plot_usable(s->x[i], x_log) && plot_usable(s->y[i], y_log) &&
           (s->style != PLOT_BAND || plot_usable(s->y2[i], y_log));
}

/** Sets *out (its memory is reused). If there are more than two points per pixel, consecutive points in one column of
 *  pixels are replaced by the first, the lowest, the highest and the last of them (a band: its envelope); a gap within
 * a column is not shown. The result does not start or end with a gap, and has no consecutive gaps.
 *  @return 0 or E_NOMEM */
int plot_points_make(plot_points *out, const plot_series *s, const plot_scale *x, const plot_scale *y);
void plot_points_deinit(plot_points *p);

#endif
