/** One chart being drawn: where its parts are on the sheet, and what draws them. */
#ifndef LINNET_REPORT_PLOT_PANEL_H
#define LINNET_REPORT_PLOT_PANEL_H

#include "report/plot/draw.h"
#include "report/plot/points.h"

typedef struct plot_panel {
    plot_sheet *sheet; /* borrowed */
    const plot_chart *chart;
    plot_box box;  /* all of it */
    plot_box data; /* within the axes */
    plot_scale x, y;
    plot_points points; /* scratch */
} plot_panel;

enum { PLOT_MARGIN = 14, PLOT_SMALL = 11, PLOT_NORMAL = 12, PLOT_LARGE = 14 }; /* pixels; the last three of text */

/** The colour of series i, and whether it is dashed to tell it from one before it. */
uint32_t plot_series_color(const plot_chart *c, size_t i);
bool plot_series_dashed(const plot_chart *c, size_t i);

/** All series, bands below, dots on top. @return 0 or E_NOMEM */
int plot_series_draw(plot_panel *p);
/** A sample of series i, 18 pixels wide, in the legend. */
void plot_series_sample(plot_panel *p, size_t i, double x, double middle);

/** The legend's rows, from y = top on; their height. Nothing is drawn when `draw` is false. */
double plot_legend(plot_panel *p, double top, bool draw);

/** The marks and their labels, each where least is covered. */
void plot_marks_draw(plot_panel *p);

#endif
