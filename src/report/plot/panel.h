/** One chart being drawn: the positions of its parts on the sheet, and the functions that draw them. */
#ifndef LINNET_REPORT_PLOT_PANEL_H
#define LINNET_REPORT_PLOT_PANEL_H

#include "report/plot/draw.h"
#include "report/plot/points.h"

typedef struct plot_panel {
    plot_sheet *sheet; /* borrowed */
    const plot_chart *chart;
    plot_box box;  /* the whole chart */
    plot_box data; /* the area within the axes */
    plot_scale x, y;
    plot_points points; /* temporary */
} plot_panel;

enum { PLOT_MARGIN = 14, PLOT_SMALL = 11, PLOT_NORMAL = 12, PLOT_LARGE = 14 }; /* pixels; the last three of text */

/** The colour of series i, and whether it is dashed to distinguish it from an earlier one. */
uint32_t plot_series_color(const plot_chart *c, size_t i);
bool plot_series_dashed(const plot_chart *c, size_t i);

/** Draws all series, bands first and dots last. @return 0 or E_NOMEM */
int plot_series_draw(plot_panel *p);
/** A sample of series i, 18 pixels wide, in the legend. */
void plot_series_sample(plot_panel *p, size_t i, double x, double middle);

/** Draws the rows of the legend from y = top on; not if `draw` is false. @return their height */
double plot_legend(plot_panel *p, double top, bool draw);

/** Draws the marks and their labels, each at the position that covers least. */
void plot_marks_draw(plot_panel *p);

#endif
