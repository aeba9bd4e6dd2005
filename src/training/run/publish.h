/** Updates the files for viewing a run while it continues: run.json, misclassified images, viewlogs.md with its images,
 *  report.html. */
#ifndef LINNET_TRAINING_RUN_PUBLISH_H
#define LINNET_TRAINING_RUN_PUBLISH_H

#include "training/run/run_open.h"

/** Updates run.json and the report. Without `must`, the report is skipped while reports have taken more than half a
 *  percent of the run's time. An error is a warning; the training continues. */
void publish(train_run_state *r, const char *state, bool must);

/** Between two steps: calls publish if monitor.report_seconds have passed since the last report and the report would
 * not be skipped. So reports take at most half a percent of the run's time, and the time of one report. */
void publish_by_time(train_run_state *r);

/** Writes the last entries of the logs of a run that ends with status `error`; the status message is kept. `whole`: all
 *  epochs are done. The result is that of the summary. */
void publish_end(train_run_state *r, int error, bool whole);

#endif
