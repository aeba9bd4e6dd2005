/** The pictures of a page: one run (training and validation in colours of their own) or several over each other (a
 *  colour a run, training pale). Each appends its picture to the page, or nothing where there is no point to show.
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
/** Loss and norm of the gradient at each step that was logged; the loss scale where there is one. */
int chart_steps(page *p, const run_data *d, size_t n);
/** One run's. */
int chart_device(page *p, const run_data *d);
int chart_gpus(page *p, const run_data *d);
int chart_worst(page *p, const run_data *d);

#endif
