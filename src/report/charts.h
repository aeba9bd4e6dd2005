/** The charts of a page: of one run (training and validation in different colours) or of several runs in one chart (one
 *  colour per run, training pale). Each function appends its image to the page, or nothing if there are no points.
 *  @return 0, E_IO, E_FULL, E_NOMEM. Private to the report. */
#ifndef LINNET_REPORT_CHARTS_H
#define LINNET_REPORT_CHARTS_H

#include "report/data.h"
#include "report/page.h"

int chart_finder(page *p, const run_data *d, size_t n);
/** The smoothed loss as it is drawn. Lightning divides the running mean by 1 - 0.98^(i + 2), so its first points are
 * too low and the line seems to rise. This is the mean without bias. @return 0 or E_NOMEM */
int finder_line(double **out, picture *p, const double *smoothed, size_t n);
int chart_loss(page *p, const run_data *d, size_t n);
int chart_accuracy(page *p, const run_data *d, size_t n);
int chart_rate(page *p, const run_data *d, size_t n);
/** The points of the learning rate's line, owned by the picture. A schedule changes the rate between epochs, but only
 *  some steps are logged. So a change is drawn at the start of its epoch, not at the first logged step. Within an epoch
 *  (warm-up), points are connected. @return 0 or E_NOMEM */
int rate_line(double **x, double **y, size_t *n, picture *p, const step_series *s);
int chart_throughput(page *p, const run_data *d, size_t n);
/** Loss and gradient norm of the logged steps; the loss scale if there is one. */
int chart_steps(page *p, const run_data *d, size_t n);
/** The values of a table's column in all rows, times `factor`; owned by the picture. @return 0 or E_NOMEM */
int chart_column(double **out, picture *p, const table *t, size_t column, double factor);
/** Only for one run. */
int chart_device(page *p, const run_data *d);
int chart_gpus(page *p, const run_data *d);
int chart_worst(page *p, const run_data *d);
/** Columns of the grid of worst images: at most `most`, and so few that the names of classes fit, but at least 3. */
int worst_columns(const worst_image *image, size_t n, int most);

#endif
