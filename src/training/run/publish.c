/* Updates run.json and the report while a run continues. */

#include "training/run/publish.h"

#include "base/log.h"
#include "base/status.h"
#include "report/run_report.h"
#include "training/run/run_live.h"
#include "training/run/run_mlflow.h"
#include "training/run/run_monitor.h"

#include <stdio.h>

#define SHARE 0.005 /* fraction of the run's time that reports may take */

static bool affordable(const train_run_state *r) {
    return r->record.report_seconds <= SHARE * (clock_seconds() - r->started);
}

void publish_by_time(train_run_state *r) {
    const config *c = r->context.config;
    double wait = c->monitor.report_seconds;
    if (train_leads(r) && c->monitor.report && wait > 0 && clock_seconds() - r->published >= wait && affordable(r))
        publish(r, "running", false);
}

void publish(train_run_state *r, const char *state, bool must) {
    const char *logs = r->folder.logs;
    report_result result;
    double start = clock_seconds(), run = start - r->started;
    bool report = r->context.config->monitor.report && (must || affordable(r));
    int rc = OK;
    r->record.state = state;
    if (report && r->evaluated) {
        TRY(run_logger_worst(&r->run_logger, &r->wrong, r->context.val));
        r->record.worst_n = r->wrong.n;
        r->evaluated = false;
    }
    metadata_of_run(&r->record.run, &r->context, &r->memory); /* the number of loader threads may have changed */
    TRY(run_record_write(&r->record, logs, run, &r->state.best, r->summary->last));
    if (report) {
        TRY(run_report(&result, r->context.config->trainer.out, &logs, 1));
        if (result.html)
            TRY(run_live_report(r));
    }
done:
    if (report) { /* also after a failure: otherwise the next step would try again */
        r->published = clock_seconds();
        r->record.report_seconds += r->published - start;
    }
    if (rc != OK)
        log_warn("the report could not be updated: %s", status_message());
}

void publish_end(train_run_state *r, int error, bool whole) {
    status_saved first;
    status_save(&first, error);
    const char *state = error != OK && error != E_STOPPED ? "failed" : error == OK && whole ? "done" : "stopped";
    run_logger_event(&r->run_logger, &r->state, "end", "%s after %s", state,
                     text_duration((char[32]){0}, clock_seconds() - r->started));
    if (tb_events_hparams_end(r->run_logger.tb_events, error == OK || error == E_STOPPED) != OK)
        log_warn("cannot write the final status of the run to the TensorBoard log: %s", status_message());
    run_monitor_end(r, state, error != OK ? first.message : NULL);
    r->record.val_acc = r->summary->val_acc;
    publish(r, state, true);
    run_mlflow_end(r, error);
    status_restore(&first);
}
