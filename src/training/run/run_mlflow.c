#include "training/run/run_mlflow.h"

#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "checkpoint/top_k.h"
#include "tracking/mlflow_files.h"
#include "tracking/records.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { KEY_BYTES = 16 };

int run_mlflow_check(const config *c) {
    const char *uri = NULL;
    return c->monitor.mlflow[0] == 0 ? OK : mlflow_address(&uri, c->monitor.mlflow);
}

/** A name of the run that no other has, by which a run is found whose id was lost. */
static int put_key(json_t *run) {
    unsigned char bytes[KEY_BYTES];
    char key[2 * KEY_BYTES + 1];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return fail(E_IO, "the system has no random numbers");
    for (int i = 0; i < KEY_BYTES; i++)
        snprintf(key + 2 * (size_t)i, 3, "%02x", bytes[i]);
    json_object_set_new(run, "key", json_string(key));
    return OK;
}

static void put_param(void *context, const char *name, const char *value) {
    json_object_set_new(context, name, json_text(value));
}

static const char *variable(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != NULL && value[0] != 0 ? value : otherwise;
}

static json_t *tags(const train_run_state *r) {
    const train_hooks *h = r->hooks;
    const struct passwd *user = getpwuid(getuid());
    json_t *o = json_object();
    json_object_set_new(o, "mlflow.user",
                        json_text(variable("LOGNAME", variable("USER", user != NULL ? user->pw_name : "unknown"))));
    json_object_set_new(o, "mlflow.source.name", json_string("linnet train"));
    json_object_set_new(o, "mlflow.source.type", json_string("LOCAL"));
    if (h->commit != NULL && h->commit[0] != 0)
        json_object_set_new(o, "mlflow.source.git.commit", json_text(h->commit));
    if (h->version != NULL)
        json_object_set_new(o, "linnet.version", json_text(h->version));
    json_object_set_new(o, "linnet.logs", json_text(r->folder.logs));
    return o;
}

/** Begins a run on the server, or, with MLFLOW_RUN_ID, continues one that another program has begun. */
static int put_run(train_run_state *r) {
    const config *c = r->context.config;
    const char *experiment = c->monitor.mlflow_experiment, *id = variable("MLFLOW_RUN_ID", NULL);
    json_t *run = json_object(), *params = json_object(), *record = json_object();
    int rc = OK;
    json_object_set_new(record, "run", run);
    json_object_set_new(run, "start", record_time(clock_wall()));
    json_object_set_new(run, "name", json_text(r->record.title));
    json_object_set_new(run, "experiment",
                        json_text(experiment[0] != 0 ? experiment : variable("MLFLOW_EXPERIMENT_NAME", "Default")));
    if (id != NULL)
        json_object_set_new(run, "run_id", json_text(id));
    config_visit(c, put_param, params);
    json_object_set_new(run, "params", params);
    json_object_set_new(run, "tags", tags(r));
    TRY(put_key(run));
    mlflow_put(r->monitor.mlflow, record);
    record = NULL; /* taken over */
done:
    json_decref(record);
    return rc;
}

static void put_status(train_run_state *r, const char *status) {
    json_t *o = json_object();
    json_object_set_new(o, "status", json_string(status));
    json_object_set_new(o, "time", record_time(clock_wall()));
    mlflow_put(r->monitor.mlflow, o);
}

int run_mlflow_open(train_run_state *r) {
    const char *uri = NULL;
    int rc = OK;
    if (r->context.config->monitor.mlflow[0] == 0)
        return OK;
    TRY(mlflow_address(&uri, r->context.config->monitor.mlflow));
    TRY(mlflow_open(&r->monitor.mlflow, r->folder.logs, uri));
    if (mlflow_is_new(r->monitor.mlflow))
        TRY(put_run(r));
    put_status(r, "RUNNING");
    r->run_logger.mlflow = r->monitor.mlflow;
done:
    return rc != OK ? fail_context(rc, "monitor.mlflow") : OK;
}

/** A file below --out. */
static void put_file(train_run_state *r, const char *below, const char *name) {
    char path[PATH_BYTES], file[PATH_BYTES];
    if (path_join(path, r->context.config->trainer.out, below) != OK || !file_exists(path) ||
        path_format(file, MLFLOW_OUT_FOLDER "%s", below) != OK)
        return;
    json_t *o = json_object();
    json_object_set_new(o, "artifact", json_text(file));
    json_object_set_new(o, "name", json_text(name));
    mlflow_put(r->monitor.mlflow, o);
}

static void put_files(train_run_state *r) {
    const config *c = r->context.config;
    const ckpt_kept *best = top_k_best(&r->state.best);
    char below[PATH_BYTES];
    static const char *const log[] = {"hparams.yaml", "metrics.csv"};
    for (size_t i = 0; i < sizeof log / sizeof *log; i++)
        if (path_format(below, "logs/%s/%s/%s", r->context.model->arch, path_name(r->folder.logs), log[i]) == OK)
            put_file(r, below, log[i]);
    if (c->monitor.report) {
        put_file(r, "viewlogs.md", "viewlogs.md");
        put_file(r, "report.html", "report.html");
    }
    if (c->monitor.mlflow_checkpoint && best != NULL &&
        path_format(below, "checkpoints/%s/%s", r->context.model->arch, path_name(best->path)) == OK)
        put_file(r, below, path_name(best->path));
}

void run_mlflow_end(train_run_state *r, int error) {
    if (r->monitor.mlflow == NULL)
        return;
    put_status(r, error == OK ? "FINISHED" : error == E_STOPPED ? "KILLED" : "FAILED");
    put_files(r);
}

void run_mlflow_close(train_run_state *r) {
    const char *why = NULL;
    if (r->monitor.mlflow == NULL)
        return;
    long long left = mlflow_close(r->monitor.mlflow, r->context.config->monitor.mlflow_wait, &why, NULL);
    r->monitor.mlflow = NULL;
    if (left > 0)
        log_warn(
            "MLflow: %lld records were not delivered: %s. They are in %s/mlflow.spool; to send them: linnet mlflow %s "
            "--uri %s",
            left, why, r->folder.logs, r->folder.logs, r->context.config->monitor.mlflow);
}
