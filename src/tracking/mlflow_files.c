#include "tracking/mlflow_files.h"

#include "base/status.h"
#include "tracking/mlflow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- mlflow.json ---- */

static void trim(char *uri) {
    for (size_t n = strlen(uri); n > 0 && uri[n - 1] == '/'; n--)
        uri[n - 1] = 0;
}

static int read_address(mlflow_state *s, const json_t *o) {
    const char *stored = json_string_value(json_object_get(o, "tracking_uri")), *uri = NULL;
    int rc = OK;
    if (s->uri[0] != 0 || stored == NULL || stored[0] == 0)
        return OK;
    TRY(mlflow_address(&uri, stored));
    TRY(path_format(s->uri, "%s", uri));
done:
    return rc == E_OPTION ? E_FORMAT : rc;
}

static int read_object(mlflow_state *s, const json_t *o) {
    const char *id = json_string_value(json_object_get(o, "run_id"));
    int rc = OK;
    TRY(read_address(s, o));
    if (id != NULL && id[0] != 0 && !mlflow_run_read(&s->run, o))
        return fail(E_FORMAT, "run_id or experiment_id is not an id of MLflow");
    s->sent = (uint64_t)json_integer_value(json_object_get(o, "sent"));
done:
    return rc;
}

int mlflow_state_read(mlflow_state *s, const char *logs) {
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    json_error_t error;
    json_t *o = NULL;
    int rc = OK;
    TRY(path_join(path, logs, "mlflow.json"));
    if (file_exists(path)) {
        TRY(file_read(&bytes, &n, path, 1 << 20));
        rc = json_read(&o, (const char *)bytes, n, 0, &error);
        if (rc == OK)
            rc = read_object(s, o);
        if (rc != OK) {
            rc = fail_context(rc, "%s", path);
            goto done;
        }
    }
    trim(s->uri);
    if (s->uri[0] == 0)
        rc = fail(E_NOTFOUND, "%s has no address of a server", path);
done:
    json_decref(o);
    free(bytes);
    return rc;
}

int mlflow_state_write(const mlflow_state *s, const char *logs) {
    char path[PATH_BYTES];
    text out = {0};
    json_t *o = json_object();
    int rc = OK;
    json_object_set_new(o, "tracking_uri", json_text(s->uri));
    json_object_set_new(o, "experiment_id", json_string(s->run.experiment));
    json_object_set_new(o, "run_id", json_string(s->run.id));
    json_object_set_new(o, "artifact_uri", json_text(s->run.artifacts));
    json_object_set_new(o, "sent", json_integer((json_int_t)s->sent));
    TRY(json_append(&out, o, JSON_INDENT(2)));
    TRY(path_join(path, logs, "mlflow.json"));
    TRY(file_write_atomic(path, text_string(&out), out.n));
done:
    text_deinit(&out);
    json_decref(o);
    return rc;
}

/* ---- artefacts ---- */

/** Whether linnet itself writes such a file into --out. */
static bool is_ours(const char *below) {
    return strcmp(below, "viewlogs.md") == 0 || strcmp(below, "report.html") == 0 || strncmp(below, "logs/", 5) == 0 ||
           strncmp(below, "checkpoints/", 12) == 0;
}

int mlflow_artifact_path(char out[PATH_BYTES], const char *logs, const char *file) {
    char folder[PATH_BYTES];
    char *root = NULL, *real = NULL;
    const char *below = file + strlen(MLFLOW_OUT_FOLDER);
    int rc = OK;
    if (strncmp(file, MLFLOW_OUT_FOLDER, strlen(MLFLOW_OUT_FOLDER)) != 0 || !path_stays_below(below, strlen(below)) ||
        !is_ours(below))
        return fail(E_DATA, "an artefact is not a file of the run");
    TRY(path_join(folder, logs, MLFLOW_OUT_FOLDER));
    TRY(path_join(out, logs, file));
    root = realpath(folder, NULL);
    real = realpath(out, NULL);
    size_t n = root != NULL ? strlen(root) : 0;
    if (root == NULL || real == NULL)
        rc = fail(E_DATA, "the artefact %s does not exist", below);
    else if (strncmp(real, root, n) != 0 || (n > 1 && real[n] != '/'))
        rc = fail(E_DATA, "the artefact %s is a symbolic link out of the run's folder", below);
done:
    free(root);
    free(real);
    return rc;
}
