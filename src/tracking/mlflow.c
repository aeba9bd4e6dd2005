#define _GNU_SOURCE
#include "tracking/mlflow.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "tracking/mlflow_api.h"
#include "tracking/mlflow_files.h"
#include "tracking/records.h"
#include "tracking/spool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NEVER 1e300
enum { CLOSING_US = 500000 }; /* between tries while the end of the run waits */

struct mlflow {
    char logs[PATH_BYTES];
    spool spool;
    mlflow_api *api;
    bool is_new; /* neither file has a run when it is opened */
    json_t *row; /* of the training; NULL: empty */
    bool lost;   /* of the training: a record could not be appended */
    pthread_t thread;
    pthread_mutex_t lock; /* for `end` */
    pthread_cond_t wake;
    double end; /* clock_seconds at which the thread ends; NEVER: not closed */
    /* of the thread */
    mlflow_state state;
    long long refused;
    bool failed, recovered; /* reported, each once */
    bool warned_files;      /* that files are not uploaded was reported */
    char why[STATUS_BYTES];
    char buffer[BATCH_BYTES];
};

/** If it fails, a run is found by its key, and records are sent twice, which MLflow ignores. */
static void keep_state(const mlflow *m) { (void)mlflow_state_write(&m->state, m->logs); }

/* ---- the thread ---- */

static double end_of(mlflow *m) {
    pthread_mutex_lock(&m->lock);
    double end = m->end;
    pthread_mutex_unlock(&m->lock);
    return end;
}

/** Whether the time for the delivery is over. */
static bool is_over(void *context) { return clock_seconds() >= end_of(context); }

static bool is_pending(const mlflow *m) { return m->state.sent < atomic_load(&m->spool.size); }

static void show_run(const mlflow *m) {
    log_info("MLflow     %s/#/experiments/%s/runs/%s", m->state.uri, m->state.run.experiment, m->state.run.id);
}

static int begin_run(mlflow *m, const json_t *record) {
    const json_t *run = json_object_get(record, "run");
    int rc = OK;
    if (m->state.run.id[0] == 0) {
        TRY(mlflow_api_create(&m->state.run, m->api, record));
        keep_state(m);
        show_run(m);
    }
    if (json_object_get(run, "run_id") != NULL) /* another program has created it, without these */
        TRY(mlflow_api_pairs(m->api, m->state.run.id, "tags", json_object_get(run, "tags")));
    TRY(mlflow_api_pairs(m->api, m->state.run.id, "params", json_object_get(run, "params")));
done:
    return rc;
}

static int send_file(mlflow *m, const json_t *record) {
    const char *file = json_string_value(json_object_get(record, "artifact")),
               *name = json_string_value(json_object_get(record, "name"));
    char path[PATH_BYTES];
    int rc = OK;
    if (!mlflow_api_takes_files(&m->state.run)) {
        if (!m->warned_files)
            log_info("MLflow: files are not uploaded: the server stores them at %s, not itself",
                     m->state.run.artifacts);
        m->warned_files = true;
        return OK;
    }
    TRY(mlflow_artifact_path(path, m->logs, file));
    rc = mlflow_api_upload(m->api, &m->state.run, path, name != NULL ? name : path_name(file));
    if (rc == E_NOTFOUND)
        rc = E_DATA; /* the file was removed since: nothing to send */
done:
    return rc;
}

/** @return 0; E_DATA: the batch is useless; E_NOTFOUND: the server does not have the run; others: to be tried again */
static int send_batch(mlflow *m, const record_batch *b) {
    if (b->kind == BATCH_DAMAGED)
        return fail(E_DATA, "damaged");
    if (b->kind == BATCH_RUN)
        return begin_run(m, b->record);
    if (m->state.run.id[0] == 0)
        return fail(E_DATA, "they belong to no run");
    switch (b->kind) {
    case BATCH_OF_METRICS: return mlflow_api_batch(m->api, m->state.run.id, "metrics", b->metrics);
    case BATCH_STATUS: return mlflow_api_status(m->api, m->state.run.id, b->record);
    default: return send_file(m, b->record);
    }
}

/** After E_NOTFOUND of send_batch: the run is another server's, or was removed. */
static int explain_missing(const mlflow *m) {
    char why[STATUS_BYTES / 4];
    snprintf(why, sizeof why, "%.*s", (int)sizeof why - 1, status_message());
    return fail(
        E_IO,
        "%s does not have the run %s (%s). If another server has it: linnet mlflow %s --uri URI. To begin a new "
        "run: remove mlflow.json and mlflow.spool there and resume (what was not delivered is then only in "
        "metrics.csv)",
        m->state.uri, m->state.run.id, why, m->logs);
}

/** Counts records that can never be delivered, and reports the first. A run that cannot be created is tried again:
 *  without it nothing can be delivered. */
static int drop(mlflow *m, const record_batch *b, int rc) {
    if (rc != E_DATA || (b->kind == BATCH_RUN && m->state.run.id[0] == 0 && b->record != NULL))
        return rc;
    if (m->refused == 0)
        log_warn("MLflow: a record is skipped: %s", status_message());
    m->refused += b->records;
    return OK;
}

/** Sends all that the spool has. @return 0 or the error of the first batch that was not delivered */
static int deliver(mlflow *m) {
    record_batch b = {0};
    int rc = OK;
    while (is_pending(m) && !is_over(m)) {
        ssize_t n = spool_read(&m->spool, m->state.sent, m->buffer, sizeof m->buffer);
        if (n <= 0)
            return fail(E_IO, "cannot read %s", m->spool.path);
        TRY(record_batch_read(&b, m->buffer, (size_t)n));
        if (b.kind == BATCH_EMPTY) { /* no record is so long */
            m->state.sent += (uint64_t)n;
            continue;
        }
        rc = send_batch(m, &b);
        rc = rc == E_NOTFOUND ? explain_missing(m) : rc;
        TRY(drop(m, &b, rc));
        m->state.sent += b.bytes;
        keep_state(m);
        record_batch_deinit(&b);
    }
done:
    record_batch_deinit(&b);
    return rc;
}

/** Reports the first failure of the process. */
static void note_failure(mlflow *m, int rc) {
    if (rc == E_STOPPED)
        snprintf(m->why, sizeof m->why, "the server does not answer in time");
    else
        snprintf(m->why, sizeof m->why, "%s", status_message());
    if (!m->failed && rc != E_STOPPED)
        log_warn("MLflow: %s. The training continues; the records are kept in %s and sent later", m->why,
                 m->spool.path);
    m->failed = true;
}

static void note_success(mlflow *m) {
    if (m->failed && !m->recovered)
        log_info("MLflow: the records were delivered");
    m->recovered = m->failed;
}

/** Waits until `until`, or until the end was set. */
static void wait_until(mlflow *m, double until) {
    pthread_mutex_lock(&m->lock);
    double seconds = until - clock_seconds();
    if (m->end >= NEVER && seconds > 0) {
        struct timespec at;
        clock_gettime(CLOCK_MONOTONIC, &at);
        long long ns = at.tv_nsec + (long long)((seconds - (double)(long long)seconds) * 1e9);
        at.tv_sec += (time_t)seconds + (time_t)(ns / 1000000000);
        at.tv_nsec = (long)(ns % 1000000000);
        pthread_cond_timedwait(&m->wake, &m->lock, &at);
    }
    pthread_mutex_unlock(&m->lock);
}

static void *run_thread(void *context) {
    mlflow *m = context;
    double wait = 0;
    setpriority(PRIO_PROCESS, (id_t)gettid(), 19); /* on Linux: of this thread alone */
    pthread_setname_np(pthread_self(), "mlflow");
    for (;;) {
        bool closing = end_of(m) < NEVER;
        int rc = is_pending(m) ? deliver(m) : OK;
        if (rc != OK)
            note_failure(m, rc);
        else if (!is_pending(m))
            note_success(m);
        if (closing && (rc == OK || is_over(m)))
            break;
        wait = rc == OK ? 0 : wait == 0 ? 1 : wait * 2 < MLFLOW_RETRY_SECONDS ? wait * 2 : MLFLOW_RETRY_SECONDS;
        if (closing)
            usleep(CLOSING_US);
        else
            wait_until(m, clock_seconds() + (rc == OK ? MLFLOW_SEND_SECONDS : wait));
    }
    return NULL;
}

/* ---- the training ---- */

/** Signals go to the threads of the training. */
static int start_thread(mlflow *m) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&m->thread, NULL, run_thread, m);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ? OK : fail(E_DEVICE, "cannot start a thread for MLflow: %s", strerror(error));
}

static void init_lock(mlflow *m) {
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->wake, &clock);
    pthread_condattr_destroy(&clock);
    m->end = NEVER;
}

static void destroy(mlflow *m) {
    if (m == NULL)
        return;
    mlflow_api_close(m->api);
    spool_close(&m->spool);
    json_decref(m->row);
    pthread_cond_destroy(&m->wake);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

int mlflow_open(mlflow **out, const char *logs, const char *uri) {
    char path[PATH_BYTES];
    mlflow *m = NULL;
    int rc = OK;
    TRY(memory_zeroed(&m, 1, sizeof *m));
    m->spool.fd = -1;
    init_lock(m);
    TRY(path_format(m->logs, "%s", logs));
    TRY(path_format(m->state.uri, "%s", uri != NULL ? uri : ""));
    TRY(mlflow_state_read(&m->state, logs));
    TRY(path_join(path, logs, "mlflow.spool"));
    TRY(spool_open(&m->spool, path));
    if (m->state.sent > atomic_load(&m->spool.size)) /* all was delivered, and the file removed */
        m->state.sent = 0;
    m->is_new = m->state.run.id[0] == 0 && atomic_load(&m->spool.size) == 0;
    TRY(mlflow_state_write(&m->state, m->logs));
    bool trusted = uri != NULL || mlflow_is_env(m->state.uri);
    if (!trusted)
        log_info("MLflow: no token or password is sent to %s, an address from %s/mlflow.json: if it is right, give it "
                 "by --uri or MLFLOW_TRACKING_URI",
                 m->state.uri, logs);
    TRY(mlflow_api_open(&m->api, m->state.uri, trusted, is_over, m));
    if (m->state.run.id[0] != 0)
        show_run(m);
    TRY(start_thread(m));
    *out = m;
    m = NULL; /* now owned by the caller */
done:
    destroy(m);
    return rc;
}

bool mlflow_is_new(const mlflow *m) { return m->is_new; }

void mlflow_put(mlflow *m, json_t *record) {
    text line = {0};
    int rc = OK;
    if (m == NULL)
        goto done;
    TRY(json_append(&line, record, JSON_COMPACT));
    TRY(text_append(&line, "\n", 1));
    TRY(spool_append(&m->spool, line.data, line.n));
done:
    if (rc != OK && !m->lost)
        log_warn("MLflow: records are lost: %s", status_message());
    if (rc != OK)
        m->lost = true;
    json_decref(record);
    text_deinit(&line);
}

void mlflow_metric(mlflow *m, const char *name, double value) {
    if (m == NULL)
        return;
    if (m->row == NULL)
        m->row = json_object();
    json_object_set_new(m->row, name, record_number(value));
}

void mlflow_row(mlflow *m, long long step) {
    if (m == NULL || m->row == NULL)
        return;
    json_t *row = m->row;
    m->row = NULL; /* now owned by the record */
    mlflow_put(m, record_metrics(clock_wall(), step, row));
}

long long mlflow_close(mlflow *m, double seconds, const char **why, long long *skipped) {
    static char reason[STATUS_BYTES];
    if (skipped != NULL)
        *skipped = 0;
    if (m == NULL)
        return 0;
    pthread_mutex_lock(&m->lock);
    m->end = clock_seconds() + seconds;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->thread, NULL);
    long long left = spool_lines(&m->spool, m->state.sent);
    if (is_pending(m)) {
        left = left > 0 ? left : 1; /* the file cannot be read */
    } else {
        (void)file_remove(m->spool.path);
        m->state.sent = 0;
        keep_state(m);
    }
    if (m->refused > 0)
        log_warn("MLflow: %lld records were skipped", m->refused);
    snprintf(reason, sizeof reason, "%s", m->why[0] != 0 ? m->why : "the time was too short");
    if (why != NULL)
        *why = reason;
    if (skipped != NULL)
        *skipped = m->refused;
    destroy(m);
    return left;
}
