/** The current values of a run in Prometheus' text format, for monitor.prometheus_file and /metrics. */
#ifndef LINNET_TRAINING_RUN_RUN_METRICS_H
#define LINNET_TRAINING_RUN_RUN_METRICS_H

#include "base/text.h"
#include "training/run/run_open.h"

/** @param[out] out  appended. @return 0 or E_NOMEM */
int run_metrics_text(text *out, const train_run_state *r, bool running);

#endif
