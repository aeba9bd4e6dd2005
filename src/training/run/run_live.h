/** The run over HTTP (monitor.port): metrics, progress, and the report as a page that reloads itself. docs/services.md
 *  describes it. Without a port, or before run_monitor_open, the other functions do nothing. */
#ifndef LINNET_TRAINING_RUN_RUN_LIVE_H
#define LINNET_TRAINING_RUN_RUN_LIVE_H

#include "base/text.h"
#include "training/run/run_open.h"

/** Listens; clients wait until run_live_open. r->context need not be open.
 *  @return 0, E_OPTION, E_IO, E_NOMEM, E_UNSUPPORTED: as web_open */
int run_live_listen(train_run_state *r, const config *c);
/** Begins to answer, if run_live_listen was called. @return 0, E_NOMEM, E_DEVICE */
int run_live_open(train_run_state *r);
static inline bool run_live_is_open(const train_run_state *r) { return r->monitor.on && r->monitor.web != NULL; }
/** The values of run_metrics.h; and the status line of the page: state is "running", "done", "stopped", "failed".
 *  @return 0 or E_NOMEM */
int run_live_values(train_run_state *r, const text *values, const char *state);
/** The last event: a line of JSON. @return 0 or E_NOMEM */
int run_live_event(train_run_state *r, const text *line);
/** report.html of this run exists. @return 0, E_NOMEM, E_IO */
int run_live_report(train_run_state *r);
void run_live_close(train_run_state *r);

#endif
