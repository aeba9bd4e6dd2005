/* Connects a command to the other ranks, and ends it if a rank is lost. */

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
#include <string.h>
#include <unistd.h>

/* Seconds that ranks wait before they end if a host is cut off. mpirun on each side detects the loss by its
 * keepalives (docs/distributed.md), but only while it has no data to send to the other side, such as the end of a
 * rank. Linux rounds long timers up by 1/8. */
static unsigned linger_seconds;

static watchdog *dog;
static char run_logs[PATH_BYTES], run_out[PATH_BYTES]; /* of rank 0; "": none */

static void note_run(const char *logs, const char *out) {
    snprintf(run_logs, sizeof run_logs, "%s", logs);
    snprintf(run_out, sizeof run_out, "%s", out);
}

static void print_event(const char *line) { fprintf(stderr, "%s\n", line); }

/** Without this, run.json and the report of a run that ends because of another rank's loss would show it as running
 *  forever. */
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
        log_warn("the report could not be updated: %s", status_message());
}

static void cause_text(char out[512], const watch_loss *l) {
    switch (l->cause) {
    case WATCH_ENDED: snprintf(out, 512, "the process has exited%s%s", l->why[0] != 0 ? ": " : "", l->why); break;
    case WATCH_STOPPED:
        snprintf(out, 512, "no heartbeat for %.0f s, but the host responds: the process is suspended (SIGSTOP)",
                 l->seconds);
        break;
    case WATCH_CUT:
        snprintf(out, 512, "no heartbeat for %.0f s, and the host does not respond: the connection is lost",
                 l->seconds);
        break;
    case WATCH_STUCK:
        snprintf(out, 512, "no progress for %.0f s while other ranks are waiting for this rank", l->seconds);
        break;
    case WATCH_LEFT: snprintf(out, 512, "%s", l->why[0] != 0 ? l->why : "the process has exited"); break;
    case WATCH_ALL:
        snprintf(out, 512, "all ranks have been waiting for each other for %.0f s: no data is transferred between them",
                 l->seconds);
        break;
    }
}

static void linger(const watch_loss *l) {
    if (launcher_is_present())
        return;
    if (l->cut)
        sleep(linger_seconds);
    else if (!l->tell)
        sleep(1); /* mpirun ends all ranks when one ends: the rank that prints must be first */
}

/** Runs in the watchdog's thread. A launcher on this machine knows how the process ended, so it prints the message
 *  instead. */
static void on_loss(void *context, const watch_loss *l) {
    char where[256], cause[512];
    (void)context;
    bool heir = l->rank == 0; /* this host may be cut off: it prints only if mpirun has not ended this rank */
    if (heir)
        linger(l);
    snprintf(where, sizeof where, "rank %d on %s at step %lld (%s)", l->rank, l->host, (long long)l->step, l->phase);
    if (l->tell && !(l->cause == WATCH_ENDED && launcher_lost(where))) {
        cause_text(cause, l);
        fail(E_RANK, "%s: %s; the run was terminated", where, cause);
        cli_failed(E_RANK);
    }
    end_record();
    if (!heir)
        linger(l);
    _exit(EXIT_FAILED); /* other threads may be blocked */
}

int cli_open_ranks(comm **out, const config *c) {
    double timeout = c != NULL ? c->dist.timeout : 0;
    int rc = OK;
    TRY(comm_open(out));
    if (comm_rank(*out) != 0)
        warning_relay_keep();
    linger_seconds = 2 + (unsigned)ceil(0.2 * timeout);
    if (c != NULL && timeout > 0) {
        const watchdog_options o = {
            .timeout = timeout, .interfaces = c->dist.interface, .port = c->dist.port, .lost = on_loss};
        TRY(watchdog_open(&dog, *out, &o));
    }
done:
    return rc;
}

void cli_close_ranks(comm *ranks, int rc) {
    watchdog_close(dog, rc == OK || rc == E_STOPPED ? NULL : status_message());
    dog = NULL;
    comm_close(ranks);
}

int cli_open_run(train_hooks *h, const config *c, cli_answer answer) {
    *h = (train_hooks){.progress = cli_progress(),
                       .stop = &cli_stop,
                       .save = &cli_save,
                       .version = LINNET_VERSION,
                       .commit = cli_commit,
                       .opened = note_run,
                       .saved = launcher_saved};
    if (strcmp(c->monitor.progress, "json") == 0 && c->monitor.progress_file[0] == 0) {
        h->progress.sink = NULL; /* the lines take its place */
        h->event = print_event;
    }
    int rc = cli_open_ranks(&h->comm, c);
    if (rc == OK)
        cli_catch_signals(launcher_is_present() || comm_rank(h->comm) != 0 ? CLI_SILENT : answer);
    return rc;
}

int cli_close_run(train_hooks *h, int rc) {
    int code = EXIT_DONE;
    if (rc != OK && comm_rank(h->comm) == 0)
        code = cli_stopped(rc);
    else if (rc != OK) {
        cli_mark_permanent(rc);
        code = rc == E_STOPPED ? cli_stop_code() : EXIT_FAILED; /* rank 0 prints the error */
    }
    cli_close_ranks(h->comm, rc);
    h->comm = NULL;
    return code;
}
