#include "cli/cli.h"
#include "cli/launcher_link.h"

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "distributed/comm_open.h"
#include "distributed/warning_relay.h"
#include "distributed/watchdog.h"
#include "report/run_report.h"
#include "training/run/run_record.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* How long ranks stay when a host is cut off: mpirun on either side notices it by its keepalives (docs/distributed.md),
 * but only while it has nothing to send there, such as an end of a rank. Linux rounds long timers up by an eighth. */
static unsigned linger_seconds;

static watchdog *dog;
static char run_logs[PATH_BYTES], run_out[PATH_BYTES]; /* of rank 0; "" none */

static void note_run(const char *logs, const char *out) {
    snprintf(run_logs, sizeof run_logs, "%s", logs);
    snprintf(run_out, sizeof run_out, "%s", out);
}

/** run.json and the report of a run that ends here for another rank's loss would say for ever that it is running. */
static void end_record(void) {
    const char *logs = run_logs;
    report_result result;
    int rc = OK;
    if (run_logs[0] == 0)
        return;
    TRY(run_record_set_state(run_logs, "failed"));
    if (run_out[0] != 0)
        TRY(run_report(&result, run_out, &logs, 1));
done:
    if (rc != OK)
        log_warn("the report is not up to date: %s", status_message());
}

static void cause_text(char out[512], const watch_loss *l) {
    switch (l->cause) {
    case WATCH_ENDED: snprintf(out, 512, "its process has ended%s%s", l->why[0] != 0 ? ": " : "", l->why); break;
    case WATCH_STOPPED:
        snprintf(out, 512, "no heartbeat for %.0f s, but its host responds: the process is stopped", l->seconds);
        break;
    case WATCH_CUT:
        snprintf(out, 512, "no heartbeat for %.0f s, and its host does not respond: the connection is lost",
                 l->seconds);
        break;
    case WATCH_STUCK:
        snprintf(out, 512, "it has made no progress for %.0f s while other ranks wait for it", l->seconds);
        break;
    case WATCH_LEFT: snprintf(out, 512, "%s", l->why[0] != 0 ? l->why : "it has ended"); break;
    case WATCH_ALL:
        snprintf(out, 512,
                 "all ranks have waited for each other for %.0f s: the network between them transfers no data",
                 l->seconds);
        break;
    }
}

static void linger(const watch_loss *l) {
    if (launcher_above())
        return;
    if (l->cut)
        sleep(linger_seconds);
    else if (!l->tell)
        sleep(1); /* mpirun ends all ranks when one fails: who tells comes first */
}

/** In the watchdog's thread. The launcher of one machine knows better how a process has ended, and tells. */
static void on_loss(void *context, const watch_loss *l) {
    char where[256], cause[512];
    (void)context;
    bool heir = l->rank == 0; /* this host may be the one that is cut off: nothing to say until mpirun let it live */
    if (heir)
        linger(l);
    snprintf(where, sizeof where, "rank %d on %s at step %lld (%s)", l->rank, l->host, (long long)l->step, l->phase);
    if (l->tell && !(l->cause == WATCH_ENDED && launcher_lost(where))) {
        cause_text(cause, l);
        fail(E_RANK, "%s: %s; the run has ended", where, cause);
        cli_failed(E_RANK);
    }
    end_record();
    if (!heir)
        linger(l);
    _exit(EXIT_FAILED); /* the other threads may wait for ever */
}

int cli_open_ranks(comm **out, double timeout) {
    const watchdog_options o = {.timeout = timeout, .lost = on_loss};
    int rc = OK;
    TRY(comm_open(out));
    if (comm_rank(*out) != 0)
        warning_relay_keep();
    linger_seconds = 2 + (unsigned)ceil(0.2 * timeout);
    if (timeout > 0)
        TRY(watchdog_open(&dog, *out, &o));
done:
    return rc;
}

void cli_close_ranks(comm *ranks, int rc) {
    watchdog_close(dog, rc == OK || rc == E_STOPPED ? NULL : status_message());
    dog = NULL;
    comm_close(ranks);
}

int cli_open_run(train_hooks *h, double timeout, cli_answer answer) {
    *h = (train_hooks){
        .progress = cli_progress(), .stop = &cli_stop, .save = &cli_save, .opened = note_run, .saved = launcher_saved};
    int rc = cli_open_ranks(&h->comm, timeout);
    if (rc == OK)
        cli_catch_signals(launcher_above() || comm_rank(h->comm) != 0 ? CLI_SILENT : answer);
    return rc;
}

int cli_close_run(train_hooks *h, int rc) {
    int code = EXIT_DONE;
    if (rc != OK && comm_rank(h->comm) == 0)
        code = cli_stopped(rc);
    else if (rc != OK) {
        cli_mark_permanent(rc);
        code = rc == E_STOPPED ? cli_stop_code() : EXIT_FAILED; /* rank 0 was told, and tells */
    }
    cli_close_ranks(h->comm, rc);
    h->comm = NULL;
    return code;
}
