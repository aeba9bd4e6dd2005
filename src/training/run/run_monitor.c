#include "training/run/run_monitor.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "training/run/run_live.h"
#include "training/run/run_metrics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 1 }; /* of the JSON lines: changes when a key changes its meaning or disappears */

static bool wants_lines(const train_run_state *r) {
    return r->monitor.on && strcmp(r->context.config->monitor.progress, "json") == 0;
}

static bool wants_events(const train_run_state *r) { return wants_lines(r) || run_live_is_open(r); }

/** Warns about the first error; `what` is incomplete from there on. */
static void check(train_run_state *r, int rc, const char *what) {
    if (rc != OK && !r->monitor.failed)
        log_warn("%s is incomplete: %s", what, status_message());
    r->monitor.failed = r->monitor.failed || rc != OK;
}

/** The object of an event, with the keys that all have. Steps are counted as in metrics.csv, done: how many there are.
 */
static json_t *event(const train_run_state *r, const char *name) {
    json_t *o = json_object();
    json_object_set_new(o, "v", json_integer(VERSION));
    json_object_set_new(o, "event", json_text(name));
    json_object_set_new(o, "time", json_real(clock_wall()));
    json_object_set_new(o, "epoch", json_integer(r->state.epoch));
    json_object_set_new(o, "steps_done", json_integer(r->state.global_step));
    return o;
}

static void set(json_t *o, const char *key, double x) { json_object_set_new(o, key, json_number_or_null(x)); }

static int write_line(train_run_state *r, const text *line) {
    if (r->monitor.file == NULL) {
        if (r->hooks->event != NULL)
            r->hooks->event(text_string(line));
    } else if (fprintf(r->monitor.file, "%s\n", text_string(line)) < 0 || fflush(r->monitor.file) != 0) {
        return fail_errno(errno, "cannot write %s", r->context.config->monitor.progress_file);
    }
    return OK;
}

static int publish_event(train_run_state *r, const json_t *o) {
    text line = {0};
    int rc = OK;
    TRY(json_append(&line, o, JSON_COMPACT));
    if (wants_lines(r))
        TRY(write_line(r, &line));
    TRY(text_append(&line, "\n", 1));
    TRY(run_live_event(r, &line));
done:
    text_deinit(&line);
    return rc;
}

/** Publishes the event; takes ownership of the reference. */
static void put(train_run_state *r, json_t *o) {
    check(r, publish_event(r, o), "the progress in JSON");
    json_decref(o);
}

/** Replaces the file for Prometheus and what the server shows. */
static int publish_values(train_run_state *r, const char *state) {
    const char *path = r->context.config->monitor.prometheus_file;
    text out = {0};
    int rc = OK;
    if (!r->monitor.on || (path[0] == 0 && !run_live_is_open(r)))
        return OK;
    TRY(run_metrics_text(&out, r, strcmp(state, "running") == 0));
    TRY(run_live_values(r, &out, state));
    if (path[0] != 0)
        TRY(file_write_atomic(path, text_string(&out), out.n));
done:
    text_deinit(&out);
    return rc;
}

static void update_values(train_run_state *r) {
    if (r->state.val.images > 0)
        r->monitor.val = r->state.val;
    check(r, publish_values(r, "running"), "monitor.prometheus_file or monitor.port");
}

static void put_start(train_run_state *r) {
    json_t *o = event(r, "start");
    json_object_set_new(o, "logs", json_text(r->folder.logs));
    json_object_set_new(o, "max_epochs", json_integer(r->context.config->trainer.max_epochs));
    json_object_set_new(o, "steps_per_epoch", json_integer(r->context.steps_per_epoch));
    json_object_set_new(o, "ranks", json_integer(comm_ranks(r->context.ranks.comm)));
    json_object_set_new(o, "resumed_from", r->resumed_from[0] != 0 ? json_text(r->resumed_from) : json_null());
    put(r, o);
}

int run_monitor_open(train_run_state *r) {
    const char *path = r->context.config->monitor.progress_file;
    r->monitor = (run_monitor){.on = true,
                               .web = r->monitor.web,
                               .loss = NAN,
                               .accuracy = NAN,
                               .lr = NAN,
                               .images_per_second = NAN,
                               .data_wait = NAN,
                               .communication = NAN,
                               .saved = NAN};
    if (wants_lines(r) && path[0] != 0) {
        r->monitor.file = fopen(path, "ae"); /* a resumed run continues it */
        if (r->monitor.file == NULL)
            return fail_errno(errno, "cannot write %s (monitor.progress_file)", path);
    }
    int rc = publish_values(r, "running");
    if (rc != OK)
        return fail_context(rc, "monitor.prometheus_file");
    if (wants_events(r))
        put_start(r);
    return run_live_open(r); /* last, so that no client sees an empty answer */
}

void run_monitor_step(train_run_state *r, const epoch_clock *k, const step_result *step) {
    run_monitor *m = &r->monitor;
    m->loss = metrics_loss(&step->metrics);
    m->accuracy = metrics_top1(&r->state.train);
    m->lr = step->lr;
    m->images_per_second = epoch_images_per_second(k);
    m->data_wait = epoch_wait_share(r, k);
    m->communication = k->timing.slowest >= 0 ? k->timing.comm : NAN;
    if (wants_events(r)) {
        json_t *o = event(r, "step");
        json_object_set_new(o, "step", json_integer(step->step));
        set(o, "loss", m->loss);
        set(o, "lr", m->lr);
        set(o, "grad_norm", step->grad_norm);
        set(o, "train_loss", metrics_loss(&r->state.train));
        set(o, "train_acc", m->accuracy);
        set(o, "images_per_second", m->images_per_second);
        set(o, "data_wait", m->data_wait);
        set(o, "communication", m->communication);
        put(r, o);
    }
    update_values(r);
}

void run_monitor_epoch(train_run_state *r, double lr, double images_per_second, double data_wait) {
    const train_state *t = &r->state;
    bool val = t->val.images > 0;
    if (wants_events(r)) {
        json_t *o = event(r, "epoch");
        set(o, "train_loss", metrics_loss(&t->train));
        set(o, "train_acc", metrics_top1(&t->train));
        set(o, "val_loss", val ? metrics_loss(&t->val) : NAN);
        set(o, "val_acc", val ? metrics_top1(&t->val) : NAN);
        set(o, "val_acc_top5", val ? metrics_top5(&t->val) : NAN);
        set(o, "lr", lr);
        set(o, "images_per_second", images_per_second);
        set(o, "data_wait", data_wait);
        put(r, o);
    }
    update_values(r);
}

void run_monitor_checkpoint(train_run_state *r, const char *path) {
    r->monitor.saved = clock_wall();
    if (wants_events(r)) {
        json_t *o = event(r, "checkpoint");
        json_object_set_new(o, "path", json_text(path));
        put(r, o);
    }
    update_values(r);
}

void run_monitor_end(train_run_state *r, const char *state, const char *error) {
    if (wants_events(r)) {
        json_t *o = event(r, "end");
        json_object_set_new(o, "state", json_text(state));
        json_object_set_new(o, "error", error != NULL ? json_text(error) : json_null());
        set(o, "seconds", clock_seconds() - r->started);
        put(r, o);
    }
    check(r, publish_values(r, state), "monitor.prometheus_file or monitor.port");
}

void run_monitor_close(train_run_state *r) {
    run_live_close(r);
    if (r->monitor.file != NULL)
        fclose(r->monitor.file);
    r->monitor.file = NULL;
}
