/** Records of a spool as the batches that MLflow accepts. The records, one JSON object per line:
 *
 *      {"run":{"start":MS,"name":...,"experiment":...,"key":...,"tags":{...},"params":{...}}}   the run begins
 *      {"status":"RUNNING"|"FINISHED"|"FAILED"|"KILLED","time":MS}
 *      {"time":MS,"step":N,"metrics":{NAME:VALUE, ...}}     VALUE: a number, or "NaN", "Infinity", "-Infinity"
 *      {"artifact":PATH,"name":NAME}                        a file; PATH is relative to the log folder */
#ifndef LINNET_TRACKING_RECORDS_H
#define LINNET_TRACKING_RECORDS_H

#include "base/json.h"

enum {
    BATCH_METRICS = 1000, /* limits of runs/log-record_batch */
    BATCH_PARAMS = 100,
    BATCH_BYTES = 256 << 10 /* of the spool, read at a time; no record is longer */
};

typedef enum record_kind {
    BATCH_EMPTY,
    BATCH_OF_METRICS,
    BATCH_RUN,
    BATCH_STATUS,
    BATCH_ARTIFACT,
    BATCH_DAMAGED
} record_kind;

/** One or several records of the same kind. */
typedef struct record_batch {
    record_kind kind;
    json_t *metrics; /* BATCH_OF_METRICS: array of {key, value, timestamp, step} */
    json_t *record;  /* the others: the one record; NULL if it is damaged */
    size_t bytes;    /* of the spool */
    long long records;
} record_batch;

/** Takes the first records of n bytes that belong together: metrics of up to BATCH_METRICS values, or one other record.
 *  BATCH_EMPTY: there is no complete line. record_batch_deinit must be called in either case. @return 0 or E_NOMEM */
int record_batch_read(record_batch *out, const char *bytes, size_t n);
void record_batch_deinit(record_batch *b);

/** A record of metrics. @return a new reference; NULL: out of memory */
json_t *record_metrics(double seconds, long long step, json_t *metrics);
/** A number as MLflow's JSON has it. */
json_t *record_number(double x);
/** Milliseconds since 1970. */
json_t *record_time(double seconds);

#endif
