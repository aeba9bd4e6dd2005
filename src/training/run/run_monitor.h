/** What other programs read of a run: progress as JSON lines (monitor.progress), a file for Prometheus' node_exporter
 *  (monitor.prometheus_file), and both over HTTP (monitor.port, run_live.h). docs/formats.md describes them. If
 * run_monitor_open was not called, the other functions do nothing. After an error they warn once, and the training
 * continues. */
#ifndef LINNET_TRAINING_RUN_RUN_MONITOR_H
#define LINNET_TRAINING_RUN_RUN_MONITOR_H

#include "training/run/epoch_clock.h"
#include "training/run/run_open.h"

/** Opens the files, begins to answer at the port of run_live_listen, and writes the beginning: on rank 0 of a training.
 *  @return 0, E_IO, E_FULL, E_NOMEM, or an error of run_live_open */
int run_monitor_open(train_run_state *r);
/** At the log interval. */
void run_monitor_step(train_run_state *r, const epoch_clock *k, const step_result *step);
/** After the validation of an epoch. images_per_second, data_wait: NaN if this process did not train in it. */
void run_monitor_epoch(train_run_state *r, double lr, double images_per_second, double data_wait);
void run_monitor_checkpoint(train_run_state *r, const char *path);
/** state: "done", "stopped" or "failed"; error: its message, NULL for none. */
void run_monitor_end(train_run_state *r, const char *state, const char *error);
void run_monitor_close(train_run_state *r);

#endif
