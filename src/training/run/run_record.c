#include "training/run/run_record.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "evaluation/misclassified.h"
#include "logging/journal.h"
#include "training/run/expectation.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void read_earlier(run_record *r, const char *folder) {
    char path[PATH_BYTES];
    if (path_join(path, folder, "run.json") != OK)
        return;
    json_t *o = json_load_file(path, 0, NULL);
    const char *started = json_string_value(json_object_get(o, "started"));
    const json_t *finder = json_object_get(o, "lr_finder"), *suggestion = json_object_get(finder, "suggestion");
    if (started != NULL)
        snprintf(r->started, sizeof r->started, "%s", started);
    r->seconds_before = json_number_value(json_object_get(o, "seconds"));
    r->found_lr = finder != NULL;
    const char *why = json_string_value(json_object_get(finder, "why"));
    snprintf(r->why, sizeof r->why, "%s", why != NULL ? why : "");
    r->worst_n = (int)json_integer_value(json_object_get(json_object_get(o, "worst"), "n"));
    r->suggestion = json_is_number(suggestion) ? json_number_value(suggestion) : NAN;
    json_decref(o);
}

void run_record_open(run_record *r, const char *folder, const run_context *s, const engine_memory *memory) {
    const char *data = run_context_data_name(s->config);
    size_t n = strlen(data);
    *r = (run_record){.state = "running", .suggestion = NAN, .config = s->config, .val_acc = NAN};
    while (n > 1 && data[n - 1] == '/')
        n--;
    const char *name = data + n;
    while (name > data && name[-1] != '/')
        name--;
    snprintf(r->title, sizeof r->title, "%s on %.*s", s->model->arch, (int)(data + n - name), name);
    journal_time(r->started, clock_wall());
    metadata_of_run(&r->run, s, memory);
    metadata_of_machine(&r->machine);
    read_earlier(r, folder);
}

static json_t *metadata_object(const run_metadata *f) {
    json_t *o = json_object();
    for (int i = 0; i < f->n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", f->list[i].name);
        for (int k = 2; json_object_get(o, name) != NULL; k++)
            snprintf(name, sizeof name, "%s %d", f->list[i].name, k);
        json_object_set_new(o, name, json_text(f->list[i].value));
    }
    return o;
}

static int by_value(const void *a, const void *b) {
    double x = ((const ckpt_kept *)a)->value, y = ((const ckpt_kept *)b)->value;
    return (x > y) - (x < y);
}

static int by_value_down(const void *a, const void *b) { return by_value(b, a); }

/** The best checkpoints, best first. The epoch is parsed from the name "epoch=7-...". */
static json_t *checkpoints(const top_k *kept, const char *monitor) {
    json_t *list = json_array();
    ckpt_kept *sorted = NULL;
    if (kept->n == 0 || memory_zeroed(&sorted, (size_t)kept->n, sizeof *sorted) != OK)
        return list;
    memcpy(sorted, kept->kept, (size_t)kept->n * sizeof *sorted);
    qsort(sorted, (size_t)kept->n, sizeof *sorted, kept->max ? by_value_down : by_value);
    for (int i = 0; i < kept->n; i++) {
        const char *name = path_name(sorted[i].path);
        json_t *o = json_object();
        json_object_set_new(o, "file", json_text(name));
        json_object_set_new(o, "epoch",
                            json_integer(strncmp(name, "epoch=", 6) == 0 ? strtol(name + 6, NULL, 10) : -1));
        json_object_set_new(o, monitor, json_number_or_null(sorted[i].value));
        json_array_append_new(list, o);
    }
    free(sorted);
    return list;
}

static json_t *record_object(const run_record *r, double seconds, const top_k *kept, const char *last) {
    char now[24];
    json_t *o = json_object();
    json_object_set_new(o, "title", json_text(r->title));
    json_object_set_new(o, "state", json_text(r->state));
    json_object_set_new(o, "started", json_text(r->started));
    json_object_set_new(o, "updated", json_text(journal_time(now, clock_wall())));
    json_object_set_new(o, "seconds", json_real(r->seconds_before + seconds));
    json_object_set_new(o, "report_seconds", json_real(r->report_seconds));
    json_object_set_new(o, "run", metadata_object(&r->run));
    json_object_set_new(o, "hardware", metadata_object(&r->machine));
    if (r->found_lr) {
        json_t *finder = json_object();
        json_object_set_new(finder, "suggestion", json_number_or_null(r->suggestion));
        json_object_set_new(finder, "why", json_text(r->why));
        json_object_set_new(o, "lr_finder", finder);
    }
    if (r->worst_n > 0) {
        json_t *worst = json_object();
        json_object_set_new(worst, "size", json_integer(MISCLASSIFIED_SIZE));
        json_object_set_new(worst, "columns", json_integer(MISCLASSIFIED_COLUMNS));
        json_object_set_new(worst, "n", json_integer(r->worst_n));
        json_object_set_new(o, "worst", worst);
    }
    const char *monitor = r->config->checkpoint.monitor;
    json_object_set_new(o, "monitor", json_text(monitor));
    json_object_set_new(o, "checkpoints", checkpoints(kept, monitor));
    json_object_set_new(o, "last", json_text(path_name(last)));
    if (expectation_given(r->config))
        json_object_set_new(o, "expected", expectation_json(r->config, r->val_acc));
    return o;
}

static int write_record(const char *path, const json_t *o) {
    text dump = {0};
    int rc = OK;
    TRY(json_append(&dump, o, JSON_INDENT(2)));
    TRY(file_write_atomic(path, dump.data, dump.n));
done:
    text_deinit(&dump);
    return rc;
}

int run_record_write(const run_record *r, const char *folder, double seconds, const top_k *kept, const char *last) {
    char path[PATH_BYTES];
    json_t *o = record_object(r, seconds, kept, last);
    int rc = OK;
    TRY(path_join(path, folder, "run.json"));
    TRY(write_record(path, o));
done:
    json_decref(o);
    return rc;
}

int run_record_set_state(const char *folder, const char *state) {
    char path[PATH_BYTES];
    json_error_t error;
    json_t *o = NULL;
    int rc = OK;
    TRY(path_join(path, folder, "run.json"));
    if (!file_exists(path))
        return fail(E_NOTFOUND, "%s does not exist", path);
    o = json_load_file(path, 0, &error);
    if (o == NULL) {
        rc = fail(E_FORMAT, "%s: %s", path, error.text);
        goto done;
    }
    json_object_set_new(o, "state", json_text(state));
    TRY(write_record(path, o));
done:
    json_decref(o);
    return rc;
}

static bool says_running(const char *folder) {
    char path[PATH_BYTES];
    json_t *o = path_join(path, folder, "run.json") == OK ? json_load_file(path, 0, NULL) : NULL;
    const char *state = json_string_value(json_object_get(o, "state"));
    bool running = state != NULL && strcmp(state, "running") == 0;
    json_decref(o);
    return running;
}

int run_record_lock(int *fd, const char *folder) {
    char *real = realpath(folder, NULL), path[PATH_BYTES];
    int rc = OK;
    *fd = -1;
    if (real == NULL)
        return fail_errno(errno, "cannot open %s", folder);
    /* OUT/logs/ARCH/version_N: the lock is OUT/checkpoints/ARCH/.lock */
    char *version = strrchr(real, '/');
    *version = 0;
    const char *arch = path_name(real);
    TRY(path_format(path, "%s/../../checkpoints/%s/.lock", real, arch));
    if (file_exists(path))
        TRY(lock_take(fd, path));
done:
    free(real);
    return rc;
}

int run_record_check(const char *folder) {
    int fd = -1, rc = OK;
    if (!says_running(folder))
        return OK;
    rc = run_record_lock(&fd, folder);
    if (rc == OK && fd >= 0)
        rc = run_record_set_state(folder, "lost");
    if (fd >= 0)
        close(fd);
    return rc == E_LOCKED ? OK : rc;
}
