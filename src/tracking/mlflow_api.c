#include "tracking/mlflow_api.h"

#include "base/memory.h"
#include "base/status.h"
#include "net/http.h"
#include "tracking/records.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATE_RUN "mlflow/runs/create"   /* the only call that must not be repeated before find_run */
#define SERVER_FILES "mlflow-artifacts:"  /* scheme of artifact_uri if the server stores artefacts itself */
enum { REASON = 200, VALUE_BYTES = 500 }; /* of an answer, shown; of a param's value, which older servers accept */

struct mlflow_api {
    http *http;
    char base[PATH_BYTES]; /* of the API, without '/' at its end */
};

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value != NULL ? value : "";
}

int mlflow_api_open(mlflow_api **out, const char *uri, bool trusted, bool (*stop)(void *context), void *context) {
    const char *insecure = variable("MLFLOW_TRACKING_INSECURE_TLS");
    const http_options o = {.token = variable("MLFLOW_TRACKING_TOKEN"),
                            .user = variable("MLFLOW_TRACKING_USERNAME"),
                            .password = variable("MLFLOW_TRACKING_PASSWORD"),
                            .anonymous = !trusted,
                            .ca_file = variable("MLFLOW_TRACKING_SERVER_CERT_PATH"),
                            .insecure = strcmp(insecure, "true") == 0 || strcmp(insecure, "1") == 0,
                            .stop = stop,
                            .context = context};
    mlflow_api *a = NULL;
    int rc = OK;
    TRY(memory_zeroed(&a, 1, sizeof *a));
    TRY(path_format(a->base, "%s/api/2.0", uri));
    TRY(http_open(&a->http, &o));
    *out = a;
    a = NULL; /* now owned by the caller */
done:
    mlflow_api_close(a);
    return rc;
}

void mlflow_api_close(mlflow_api *a) {
    if (a == NULL)
        return;
    http_close(a->http);
    free(a);
}

/* ---- answers ---- */

/** The beginning of a text of the server, in up to `size` bytes with the terminator, fit for a terminal. */
static void shown(char *out, size_t size, const char *s) {
    size_t n = 0, k = 0;
    for (size_t left = strlen(s); left > 0; s += k, left -= k) {
        k = text_utf8(s, left);
        bool plain = k > 1 || (k == 1 && isprint((unsigned char)*s));
        k = k > 0 ? k : 1;
        if (n + k >= size)
            break;
        memcpy(out + n, plain ? s : " ", plain ? k : 1);
        n += plain ? k : 1;
    }
    out[n] = 0;
}

/** @return 0 with the answer as an object in *out, or as all calls */
static int read_answer(json_t **out, long status, const text *answer) {
    char reason[REASON];
    json_t *o = json_loadb(text_string(answer), answer->n, 0, NULL);
    const char *code = json_string_value(json_object_get(o, "error_code")),
               *message = json_string_value(json_object_get(o, "message"));
    int rc = OK;
    if (status == 200 && json_is_object(o)) {
        *out = o;
        return OK;
    }
    shown(reason, sizeof reason, message != NULL ? message : code != NULL ? code : "");
    if (status == 200)
        rc = fail(E_IO, "the answer is not MLflow's: check the address");
    else if (status == 401 || status == 403)
        rc = fail(E_IO,
                  "access denied (status %ld): check MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
                  "MLFLOW_TRACKING_PASSWORD",
                  status);
    else if (status >= 300 && status < 400)
        rc = fail(E_IO, "the server redirects (status %ld): give the address to which it leads", status);
    else if (status == 404)
        rc = fail(E_NOTFOUND, "status 404: %s", reason[0] != 0 ? reason : "no MLflow server at this address");
    else
        rc = fail(status == 400 || status == 413 ? E_DATA : E_IO, "status %ld%s%s", status, reason[0] != 0 ? ": " : "",
                  reason);
    json_decref(o);
    return rc;
}

/** A request with a JSON body (NULL: none); *out: the answer, an object, to be released by json_decref.
 *  @return as all calls; E_NOTFOUND (status 404) */
static int ask(json_t **out, mlflow_api *a, const char *method, const char *path, const json_t *body) {
    text url = {0}, json = {0}, answer = {0};
    long status = 0;
    int rc = OK;
    *out = NULL;
    TRY(text_printf(&url, "%s/%s", a->base, path));
    if (body != NULL)
        TRY(json_append(&json, body, JSON_COMPACT));
    const http_request q = {.method = method,
                            .url = text_string(&url),
                            .json = body != NULL ? text_string(&json) : NULL,
                            .once = strcmp(path, CREATE_RUN) == 0,
                            .seconds = MLFLOW_REQUEST_SECONDS};
    TRY(http_send(&answer, &status, a->http, &q));
    TRY(read_answer(out, status, &answer));
done:
    text_deinit(&url);
    text_deinit(&json);
    text_deinit(&answer);
    return rc;
}

/** A POST whose answer has no content; takes ownership of the body. */
static int post(mlflow_api *a, const char *path, json_t *body) {
    json_t *answer = NULL;
    int rc = ask(&answer, a, "POST", path, body);
    json_decref(answer);
    json_decref(body);
    return rc;
}

/** Copies an id. @return false: not the id of an experiment or a run */
static bool read_id(char out[MLFLOW_ID], const json_t *value) {
    const char *s = json_string_value(value);
    size_t n = s != NULL ? strlen(s) : 0;
    out[0] = 0;
    if (n == 0 || n >= MLFLOW_ID)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
            return false;
    memcpy(out, s, n + 1);
    return true;
}

/* ---- the run ---- */

bool mlflow_run_read(mlflow_run *out, const json_t *info) {
    const char *uri = json_string_value(json_object_get(info, "artifact_uri"));
    if (!read_id(out->id, json_object_get(info, "run_id")) ||
        !read_id(out->experiment, json_object_get(info, "experiment_id"))) {
        *out = (mlflow_run){0};
        return false;
    }
    shown(out->artifacts, sizeof out->artifacts, uri != NULL ? uri : "");
    return true;
}

/** Reads {"run": {"info": {...}}}, or an element of "runs". */
static int read_run(mlflow_run *out, const json_t *run) {
    return mlflow_run_read(out, json_object_get(run, "info")) ? OK
                                                              : fail(E_IO, "the answer is not MLflow's: it has no run");
}

/** Appends a name as part of a query: other bytes than letters and digits as %XX. */
static int append_query(text *t, const char *s) {
    int rc = OK;
    for (; *s != 0; s++)
        TRY(text_printf(t, isalnum((unsigned char)*s) ? "%c" : "%%%02X", (unsigned char)*s));
done:
    return rc;
}

static int find_experiment(char out[MLFLOW_ID], mlflow_api *a, const char *name) {
    text path = {0};
    json_t *answer = NULL;
    int rc = OK;
    TRY(text_printf(&path, "mlflow/experiments/get-by-name?experiment_name="));
    TRY(append_query(&path, name));
    TRY(ask(&answer, a, "GET", text_string(&path), NULL));
    if (!read_id(out, json_object_get(json_object_get(answer, "experiment"), "experiment_id")))
        rc = fail(E_IO, "the answer is not MLflow's: it has no experiment");
done:
    text_deinit(&path);
    json_decref(answer);
    return rc;
}

/** Another run may create the same experiment meanwhile; then it is refused here, and found at the next try. */
static int need_experiment(char out[MLFLOW_ID], mlflow_api *a, const char *name) {
    json_t *answer = NULL, *body = NULL;
    int rc = find_experiment(out, a, name);
    if (rc != E_NOTFOUND)
        return rc;
    body = json_object();
    json_object_set_new(body, "name", json_text(name));
    TRY(ask(&answer, a, "POST", "mlflow/experiments/create", body));
    if (!read_id(out, json_object_get(answer, "experiment_id")))
        rc = fail(E_IO, "the answer is not MLflow's: it has no experiment");
done:
    json_decref(body);
    json_decref(answer);
    return rc;
}

/** The run with a key, if there is one; else out->id is "". */
static int find_run(mlflow_run *out, mlflow_api *a, const char *experiment, const char *key) {
    char filter[128];
    json_t *answer = NULL, *body = json_object(), *list = json_array();
    int rc = OK;
    *out = (mlflow_run){0};
    snprintf(filter, sizeof filter, "tags.`linnet.key` = '%s'", key);
    json_array_append_new(list, json_string(experiment));
    json_object_set_new(body, "experiment_ids", list);
    json_object_set_new(body, "filter", json_string(filter));
    json_object_set_new(body, "max_results", json_integer(1));
    TRY(ask(&answer, a, "POST", "mlflow/runs/search", body));
    const json_t *runs = json_object_get(answer, "runs");
    if (json_array_size(runs) > 0)
        TRY(read_run(out, json_array_get(runs, 0)));
done:
    json_decref(answer);
    json_decref(body);
    return rc;
}

/** {key, value}; a long value is cut. */
static json_t *pair(const char *key, const char *value) {
    size_t n = strlen(value);
    if (n > VALUE_BYTES)
        for (n = VALUE_BYTES; n > 0 && ((unsigned char)value[n] & 0xC0) == 0x80; n--) { /* not within a character */
        }
    json_t *o = json_object();
    json_object_set_new(o, "key", json_string(key));
    json_object_set_new(o, "value", json_stringn(value, n));
    return o;
}

static int create_run(mlflow_run *out, mlflow_api *a, const char *experiment, const json_t *run) {
    json_t *answer = NULL, *body = json_object(), *tags = json_array(), *value = NULL;
    const char *key = NULL, *user = json_string_value(json_object_get(json_object_get(run, "tags"), "mlflow.user"));
    int rc = OK;
    json_object_set_new(body, "experiment_id", json_string(experiment));
    json_object_set(body, "run_name", json_object_get(run, "name"));
    json_object_set(body, "start_time", json_object_get(run, "start"));
    if (user != NULL)
        json_object_set_new(body, "user_id", json_string(user));
    json_object_foreach(json_object_get(run, "tags"), key, value) if (json_is_string(value))
        json_array_append_new(tags, pair(key, json_string_value(value)));
    json_array_append_new(tags, pair("linnet.key", json_string_value(json_object_get(run, "key"))));
    json_object_set_new(body, "tags", tags);
    TRY(ask(&answer, a, "POST", CREATE_RUN, body));
    TRY(read_run(out, json_object_get(answer, "run")));
done:
    json_decref(answer);
    json_decref(body);
    return rc;
}

static int get_run(mlflow_run *out, mlflow_api *a, const char *id) {
    text path = {0};
    json_t *answer = NULL;
    int rc = OK;
    TRY(text_printf(&path, "mlflow/runs/get?run_id="));
    TRY(append_query(&path, id));
    TRY(ask(&answer, a, "GET", text_string(&path), NULL));
    TRY(read_run(out, json_object_get(answer, "run")));
done:
    text_deinit(&path);
    json_decref(answer);
    return rc;
}

int mlflow_api_create(mlflow_run *out, mlflow_api *a, const json_t *record) {
    const json_t *run = json_object_get(record, "run");
    const char *id = json_string_value(json_object_get(run, "run_id")),
               *name = json_string_value(json_object_get(run, "experiment")),
               *key = json_string_value(json_object_get(run, "key"));
    char experiment[MLFLOW_ID];
    int rc = OK;
    if (id != NULL)
        TRY(get_run(out, a, id));
    if (id != NULL)
        goto done;
    if (name == NULL || key == NULL)
        return fail(E_DATA, "the record of the run is damaged");
    TRY(need_experiment(experiment, a, name));
    TRY(find_run(out, a, experiment, key));
    if (out->id[0] == 0)
        TRY(create_run(out, a, experiment, run));
done:
    return rc == E_NOTFOUND ? E_IO : rc;
}

int mlflow_api_batch(mlflow_api *a, const char *run_id, const char *kind, json_t *list) {
    json_t *body = json_object();
    json_object_set_new(body, "run_id", json_string(run_id));
    json_object_set(body, kind, list);
    return post(a, "mlflow/runs/log-batch", body);
}

int mlflow_api_pairs(mlflow_api *a, const char *run_id, const char *kind, const json_t *pairs) {
    json_t *list = json_array(), *value = NULL;
    const char *key = NULL;
    int rc = OK;
    json_object_foreach((json_t *)pairs, key, value) {
        const char *s = json_string_value(value);
        json_array_append_new(list, pair(key, s != NULL ? s : ""));
        if (json_array_size(list) < BATCH_PARAMS)
            continue;
        TRY(mlflow_api_batch(a, run_id, kind, list));
        json_array_clear(list);
    }
    if (json_array_size(list) > 0)
        TRY(mlflow_api_batch(a, run_id, kind, list));
done:
    json_decref(list);
    return rc;
}

int mlflow_api_status(mlflow_api *a, const char *run_id, const json_t *record) {
    const char *status = json_string_value(json_object_get(record, "status"));
    json_t *body = json_object();
    json_object_set_new(body, "run_id", json_string(run_id));
    json_object_set_new(body, "status", json_string(status));
    if (status != NULL && strcmp(status, "RUNNING") != 0)
        json_object_set(body, "end_time", json_object_get(record, "time"));
    return post(a, "mlflow/runs/update", body);
}

/* ---- files ---- */

/** The path of a run's artefacts on the server, "" if it does not store them itself. */
static const char *artifact_path(const mlflow_run *r) {
    const char *path = r->artifacts;
    if (strncmp(path, SERVER_FILES, strlen(SERVER_FILES)) != 0)
        return "";
    path += strlen(SERVER_FILES);
    if (strncmp(path, "//", 2) == 0) /* the server's own address, which may be unknown here */
        path += 2 + strcspn(path + 2, "/");
    path += strspn(path, "/");
    for (const char *p = path; *p != 0; p++)
        if (!isalnum((unsigned char)*p) && strchr("/-_.", *p) == NULL)
            return "";
    return path_stays_below(path, strlen(path)) ? path : "";
}

bool mlflow_api_takes_files(const mlflow_run *r) { return artifact_path(r)[0] != 0; }

int mlflow_api_upload(mlflow_api *a, const mlflow_run *r, const char *path, const char *name) {
    text url = {0}, answer = {0};
    json_t *object = NULL;
    long status = 0;
    int rc = OK;
    TRY(text_printf(&url, "%s/mlflow-artifacts/artifacts/%s/", a->base, artifact_path(r)));
    TRY(append_query(&url, name));
    const http_request q = {.method = "PUT", .url = text_string(&url), .file = path};
    TRY(http_send(&answer, &status, a->http, &q));
    if (status == 200) /* the answer has no content */
        goto done;
    rc = read_answer(&object, status, &answer);
    if (status >= 400 && status < 500 && status != 401 && status != 408 && status != 429)
        rc = E_DATA; /* this file; the records after it may be accepted */
done:
    json_decref(object);
    text_deinit(&url);
    text_deinit(&answer);
    return rc;
}
