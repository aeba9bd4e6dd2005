/** The charts of a page: of one run (training and validation in different colours) or of several runs in one chart (one
 *  colour per run, training pale). Each function appends its image to the page, or nothing if there are no points.
 *  @return 0, E_IO, E_FULL, E_NOMEM. Private to the report. */
#ifndef LINNET_REPORT_CHARTS_H
#define LINNET_REPORT_CHARTS_H

#include "report/data.h"
#include "report/page.h"

int chart_finder(page *p, const run_data *d, size_t n);
int chart_loss(page *p, const run_data *d, size_t n);
int chart_accuracy(page *p, const run_data *d, size_t n);
int chart_rate(page *p, const run_data *d, size_t n);
int chart_throughput(page *p, const run_data *d, size_t n);
/** Loss and gradient norm of the logged steps; the loss scale if there is one. */
int chart_steps(page *p, const run_data *d, size_t n);
/** Only for one run. */
int chart_device(page *p, const run_data *d);
int chart_gpus(page *p, const run_data *d);
int chart_worst(page *p, const run_data *d);

#endif
