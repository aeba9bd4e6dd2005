/* Writes TensorBoard's HPARAMS plugin data. Source: tensorboard/plugins/hparams/{plugin_data,api}.proto, and the
 * output of its summary.py and of PyTorch's add_hparams. */
#include "base/file.h"
#include "base/proto.h"
#include "base/status.h"
#include "logging/summary.h"
#include "logging/tensorboard.h"

#include <assert.h>
#include <math.h>

enum { EXPERIMENT = 2, SESSION_START = 3, SESSION_END = 4 }; /* fields of HParamsPluginData */

/* Value{tag, tensor: empty, metadata{plugin_data{plugin_name: hparams, content: HParamsPluginData}}}, whose content
 * is a single field, `message`. */
static int put_session(tb_events *e, int64_t step, const char *tag, unsigned number, const text *message) {
    static const unsigned char no_tensor[] = {0x08, 1, 0x12, 2, 0x12, 0}; /* dtype 1: float, shape 2: {dim 2: {}} */
    text v = {0};
    size_t metadata, plugin, content;
    int rc = OK;
    TRY(proto_string(&v, VALUE_TAG, tag));
    TRY(proto_bytes(&v, VALUE_TENSOR, no_tensor, sizeof no_tensor));
    TRY(proto_open(&v, VALUE_METADATA, &metadata));
    TRY(proto_open(&v, METADATA_PLUGIN, &plugin));
    TRY(proto_string(&v, PLUGIN_NAME, "hparams"));
    TRY(proto_open(&v, PLUGIN_CONTENT, &content));
    TRY(proto_bytes(&v, number, message->data, message->n));
    TRY(proto_close(&v, content));
    TRY(proto_close(&v, plugin));
    TRY(proto_close(&v, metadata));
    TRY(tb_events_put(e, step, &v));
done:
    text_deinit(&v);
    return rc;
}

/* TensorBoard omits numbers that JSON cannot represent, so these are written as strings. */
static char kind_of(const tb_events_hparam *h) {
    assert(h->kind == 'd' || h->kind == 's' || h->kind == 'b');
    return h->kind == 'd' && !isfinite(h->number) ? 's' : h->kind;
}

static const char *string_of(const tb_events_hparam *h) {
    if (h->kind == 's')
        return h->string;
    return isnan(h->number) ? "nan" : h->number > 0 ? "inf" : "-inf";
}

/* Experiment{hparam_infos 4: {name 1, type 4}, metric_infos 5: {name 1: {tag 2}}} */
static int put_experiment(text *t, const tb_events_hparam *h, size_t n, const char *const *metric, size_t metric_n) {
    enum { STRING = 1, BOOL, FLOAT64 }; /* DataType */
    size_t info, name;
    int rc = OK;
    for (size_t i = 0; i < n; i++) {
        char kind = kind_of(&h[i]);
        TRY(proto_open(t, 4, &info));
        TRY(proto_string(t, 1, h[i].name));
        TRY(proto_varint(t, 4, kind == 'd' ? FLOAT64 : kind == 's' ? STRING : BOOL));
        TRY(proto_close(t, info));
    }
    for (size_t i = 0; i < metric_n; i++) {
        TRY(proto_open(t, 5, &info));
        TRY(proto_open(t, 1, &name));
        TRY(proto_string(t, 2, metric[i]));
        TRY(proto_close(t, name));
        TRY(proto_close(t, info));
    }
done:
    return rc;
}

/* SessionStartInfo{hparams 1: {key 1, value 2: {number 2 | string 3 | bool 4}}, group_name 4, start_time_secs 5} */
static int put_start(text *t, const tb_events_hparam *h, size_t n, const char *group) {
    size_t entry, value;
    int rc = OK;
    for (size_t i = 0; i < n; i++) {
        char kind = kind_of(&h[i]);
        TRY(proto_open(t, 1, &entry));
        TRY(proto_string(t, 1, h[i].name));
        TRY(proto_open(t, 2, &value));
        if (kind == 'd')
            TRY(proto_double(t, 2, h[i].number));
        else if (kind == 's')
            TRY(proto_string(t, 3, string_of(&h[i])));
        else
            TRY(proto_varint(t, 4, h[i].number != 0));
        TRY(proto_close(t, value));
        TRY(proto_close(t, entry));
    }
    if (group != NULL)
        TRY(proto_string(t, 4, group));
    TRY(proto_double(t, 5, clock_wall()));
done:
    return rc;
}

int tb_events_hparams(tb_events *e, const tb_events_hparam *h, size_t n, const char *const *metric, size_t metric_n,
                      const char *group) {
    text experiment = {0}, start = {0};
    int rc = OK;
    TRY(put_experiment(&experiment, h, n, metric, metric_n));
    TRY(put_session(e, 0, "_hparams_/experiment", EXPERIMENT, &experiment));
    TRY(put_start(&start, h, n, group));
    TRY(put_session(e, 0, "_hparams_/session_start_info", SESSION_START, &start));
done:
    text_deinit(&experiment);
    text_deinit(&start);
    return rc;
}

int tb_events_hparams_end(tb_events *e, bool success) {
    enum { SUCCESS = 1, FAILURE }; /* Status */
    text end = {0};
    int rc = OK;
    TRY(proto_varint(&end, 1, success ? SUCCESS : FAILURE));
    TRY(proto_double(&end, 2, clock_wall()));
    TRY(put_session(e, INT64_MAX, "_hparams_/session_end_info", SESSION_END, &end));
done:
    text_deinit(&end);
    return rc;
}
