/* Reads run.json. */
#define _GNU_SOURCE
#include "report/data.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INFO_BYTES = 4 << 20 };

int pairs_add(pair_list *l, const char *key, const char *value) {
    report_pair p = {0};
    int rc = OK;
    TRY(memory_resize(&l->pair, l->n + 1, sizeof *l->pair));
    TRY(memory_string(&p.key, key));
    TRY(memory_string(&p.value, value));
    l->pair[l->n++] = p;
    p = (report_pair){0}; /* now owned by l */
done:
    free(p.key);
    free(p.value);
    return rc;
}

void pairs_deinit(pair_list *l) {
    for (size_t i = 0; i < l->n; i++) {
        free(l->pair[i].key);
        free(l->pair[i].value);
    }
    free(l->pair);
    *l = (pair_list){0};
}

/* Copies a string if it exists and is not empty. */
static int take_string(char **out, const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL && *s != 0 ? memory_string(out, s) : OK;
}

static double take_number(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static int take_count(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    json_int_t n = json_integer_value(v);
    return n > 0 && n < 1 << 20 ? (int)n : 0;
}

static int take_pairs(pair_list *out, json_t *o) {
    const char *key;
    json_t *value;
    text other = {0};
    int rc = OK;
    json_object_foreach(o, key, value) {
        other.n = 0;
        if (!json_is_string(value))
            TRY(json_append(&other, value, JSON_ENCODE_ANY | JSON_COMPACT));
        TRY(pairs_add(out, key, json_is_string(value) ? json_string_value(value) : text_string(&other)));
    }
done:
    text_deinit(&other);
    return rc;
}

static int take_checkpoints(run_info *out, const json_t *list) {
    int rc = OK;
    size_t n = json_array_size(list);
    TRY(memory_zeroed(&out->checkpoint, n, sizeof *out->checkpoint));
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, i);
        kept_checkpoint *c = &out->checkpoint[out->checkpoint_n];
        TRY(take_string(&c->file, o, "file"));
        c->epoch = take_number(o, "epoch");
        c->score = take_number(o, out->monitor != NULL ? out->monitor : "val_loss");
        out->checkpoint_n += c->file != NULL;
    }
done:
    return rc;
}

static int take_expected(run_expected *out, const json_t *o) {
    out->val_acc = take_number(o, "val_acc");
    out->spread = take_number(o, "spread");
    out->epochs = take_number(o, "epochs");
    out->result = take_number(o, "result");
    out->reached = json_is_true(json_object_get(o, "reached"));
    return take_string(&out->differs, o, "differs");
}

static int take_info(run_info *out, const json_t *o) {
    const json_t *finder = json_object_get(o, "lr_finder"), *worst = json_object_get(o, "worst");
    int rc = OK;
    TRY(take_string(&out->title, o, "title"));
    TRY(take_string(&out->state, o, "state"));
    TRY(take_string(&out->started, o, "started"));
    TRY(take_string(&out->updated, o, "updated"));
    TRY(take_string(&out->last, o, "last"));
    TRY(take_string(&out->monitor, o, "monitor"));
    out->seconds = take_number(o, "seconds");
    out->finder = json_is_object(finder);
    out->suggestion = take_number(finder, "suggestion");
    TRY(take_string(&out->why, finder, "why"));
    TRY(take_pairs(&out->run, json_object_get(o, "run")));
    TRY(take_pairs(&out->hardware, json_object_get(o, "hardware")));
    TRY(take_checkpoints(out, json_object_get(o, "checkpoints")));
    out->worst_size = take_count(worst, "size");
    out->worst_columns = take_count(worst, "columns");
    out->worst_n = take_count(worst, "n");
    TRY(take_expected(&out->expected, json_object_get(o, "expected")));
done:
    return rc;
}

int info_load(run_info *out, char problem[256], const char *folder) {
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    json_t *o = NULL;
    json_error_t error;
    int rc = OK;
    *out = (run_info){.seconds = NAN, .suggestion = NAN, .expected.val_acc = NAN};
    problem[0] = 0;
    TRY(path_join(path, folder, "run.json"));
    rc = file_read(&bytes, &n, path, INFO_BYTES);
    if (rc != OK) {
        rc = load_problem(problem, rc, "run.json", "There is no run.json");
        goto done;
    }
    rc = json_read(&o, (const char *)bytes, n, 0, &error);
    if (rc == E_NOMEM)
        goto done;
    if (!json_is_object(o)) {
        snprintf(problem, 256, "run.json cannot be read: %.200s",
                 rc != OK ? status_message() : "it is not a JSON object");
        rc = OK;
        goto done;
    }
    TRY(take_info(out, o));
done:
    json_decref(o);
    free(bytes);
    return rc;
}

void info_unload(run_info *i) {
    free(i->title);
    free(i->state);
    free(i->started);
    free(i->updated);
    free(i->last);
    free(i->monitor);
    free(i->why);
    free(i->expected.differs);
    pairs_deinit(&i->run);
    pairs_deinit(&i->hardware);
    for (size_t k = 0; k < i->checkpoint_n; k++)
        free(i->checkpoint[k].file);
    free(i->checkpoint);
    *i = (run_info){0};
}
