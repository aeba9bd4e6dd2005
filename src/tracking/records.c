#include "tracking/records.h"

#include "base/status.h"

#include <math.h>
#include <string.h>

json_t *record_number(double x) {
    return isfinite(x) ? json_real(x) : json_string(isnan(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity");
}

json_t *record_time(double seconds) { return json_integer((json_int_t)(seconds * 1000)); }

json_t *record_metrics(double seconds, long long step, json_t *metrics) {
    json_t *o = json_object();
    json_object_set_new(o, "time", record_time(seconds));
    json_object_set_new(o, "step", json_integer(step));
    json_object_set_new(o, "metrics", metrics);
    return o;
}

static record_kind kind_of(const json_t *o) {
    if (json_is_object(json_object_get(o, "metrics")))
        return BATCH_OF_METRICS;
    if (json_is_object(json_object_get(o, "run")))
        return BATCH_RUN;
    if (json_is_string(json_object_get(o, "status")))
        return BATCH_STATUS;
    return json_is_string(json_object_get(o, "artifact")) ? BATCH_ARTIFACT : BATCH_DAMAGED;
}

static void append_metrics(json_t *list, json_t *record) {
    json_t *value = NULL, *time = json_object_get(record, "time"), *step = json_object_get(record, "step");
    const char *key = NULL;
    json_object_foreach(json_object_get(record, "metrics"), key, value) {
        json_t *one = json_object();
        json_object_set_new(one, "key", json_string(key));
        json_object_set(one, "value", value);
        json_object_set(one, "timestamp", time);
        json_object_set(one, "step", step);
        json_array_append_new(list, one);
    }
}

/** Adds a record to the batch, which then owns it, if it belongs there. */
static bool add(record_batch *b, json_t *record, size_t bytes) {
    record_kind kind = kind_of(record);
    size_t values = json_object_size(json_object_get(record, "metrics"));
    bool first = b->kind == BATCH_EMPTY;
    if (!first && (kind != BATCH_OF_METRICS || b->kind != kind || json_array_size(b->metrics) + values > BATCH_METRICS))
        return false;
    b->kind = kind;
    b->bytes += bytes;
    b->records++;
    if (kind != BATCH_OF_METRICS) {
        b->record = record;
        return true;
    }
    if (first)
        b->metrics = json_array();
    append_metrics(b->metrics, record);
    json_decref(record);
    return true;
}

int record_batch_read(record_batch *out, const char *bytes, size_t n) {
    int rc = OK;
    *out = (record_batch){0};
    while (out->bytes < n) {
        const char *line = bytes + out->bytes, *end = memchr(line, '\n', n - out->bytes);
        json_t *record = NULL;
        json_error_t error;
        if (end == NULL)
            break;
        size_t length = (size_t)(end - line) + 1;
        rc = json_read(&record, line, length, 0, &error);
        if (rc == E_NOMEM)
            goto done;
        rc = OK; /* a damaged line is a record of its own */
        if (!add(out, record, length)) {
            json_decref(record);
            break;
        }
        if (out->kind != BATCH_OF_METRICS)
            break;
    }
done:
    return rc;
}

void record_batch_deinit(record_batch *b) {
    json_decref(b->metrics);
    json_decref(b->record);
    *b = (record_batch){0};
}
