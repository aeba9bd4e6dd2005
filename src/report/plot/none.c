/* The functions of plot.h in a build without cairo: each returns E_UNSUPPORTED. */

#include "base/status.h"
#include "report/plot/plot.h"

const char *plot_unavailable(void) { return "this build has no cairo: install libcairo2-dev and rebuild"; }

int plot_charts(text *png, const plot_chart *chart, size_t n, int columns) {
    (void)png, (void)chart, (void)n, (void)columns;
    return fail(E_UNSUPPORTED, "cannot draw charts: %s", plot_unavailable());
}

int plot_charts_narrow(text *png, const plot_chart *chart, size_t n) { return plot_charts(png, chart, n, 1); }

int plot_grid(text *png, const char *title, const plot_thumbnail *image, size_t n, int columns) {
    (void)png, (void)title, (void)image, (void)n, (void)columns;
    return fail(E_UNSUPPORTED, "cannot draw the image grid: %s", plot_unavailable());
}

int plot_grid_narrow(text *png, const char *title, const plot_thumbnail *image, size_t n) {
    return plot_grid(png, title, image, n, PLOT_NARROW_COLUMNS);
}

int plot_matrix(text *png, const char *title, const double *value, const char *const *name, int n) {
    (void)png, (void)title, (void)value, (void)name, (void)n;
    return fail(E_UNSUPPORTED, "cannot draw a confusion matrix: %s", plot_unavailable());
}
