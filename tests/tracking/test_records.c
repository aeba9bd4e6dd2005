/* The file of records, and how they become the batches that MLflow accepts. */
#include "check.h"

#include "root.h"
#include "tracking/records.h"
#include "tracking/spool.h"

#include <fcntl.h>
#include <unistd.h>

#define METRIC "{\"time\":5,\"step\":7,\"metrics\":{\"a\":1.5,\"b\":\"NaN\"}}\n"
#define RUN "{\"run\":{\"name\":\"x\"}}\n"
#define FILE_RECORD "{\"artifact\":\"../x\",\"name\":\"x\"}\n"

static record_batch b;

static void read_batch(const char *bytes, record_kind kind, size_t n, long long records) {
    record_batch_deinit(&b);
    assert_ok(record_batch_read(&b, bytes, strlen(bytes)));
    assert_int_equal(b.kind, kind);
    assert_int_equal(b.bytes, n);
    assert_int_equal(b.records, records);
}

static void assert_json(const json_t *o, const char *expected) {
    text t = {0};
    assert_ok(json_append(&t, o, JSON_COMPACT));
    assert_string_equal(text_string(&t), expected);
    text_deinit(&t);
}

static void test_batches(void **state) {
    (void)state;
    const size_t metric = strlen(METRIC);
    read_batch("", BATCH_EMPTY, 0, 0);
    read_batch("{\"time\":5", BATCH_EMPTY, 0, 0); /* not complete yet */
    read_batch(METRIC METRIC "{\"time\":5", BATCH_OF_METRICS, 2 * metric, 2);
    assert_json(b.metrics, "[{\"key\":\"a\",\"value\":1.5,\"timestamp\":5,\"step\":7},"
                           "{\"key\":\"b\",\"value\":\"NaN\",\"timestamp\":5,\"step\":7},"
                           "{\"key\":\"a\",\"value\":1.5,\"timestamp\":5,\"step\":7},"
                           "{\"key\":\"b\",\"value\":\"NaN\",\"timestamp\":5,\"step\":7}]");
    /* other records are a batch each, and end a batch of metrics */
    read_batch(METRIC RUN METRIC, BATCH_OF_METRICS, metric, 1);
    read_batch(RUN RUN METRIC, BATCH_RUN, strlen(RUN), 1);
    assert_json(b.record, "{\"run\":{\"name\":\"x\"}}");
    read_batch("{\"status\":\"FINISHED\",\"time\":1}\n" METRIC, BATCH_STATUS, 31, 1);
    read_batch(FILE_RECORD, BATCH_ARTIFACT, strlen(FILE_RECORD), 1);
    /* damaged lines do not stop what follows them */
    read_batch("{\"time\":5\n" METRIC, BATCH_DAMAGED, 10, 1);
    read_batch("\n", BATCH_DAMAGED, 1, 1);
    read_batch("[]\n", BATCH_DAMAGED, 3, 1);
    read_batch("{\"metrics\":3}\n", BATCH_DAMAGED, 14, 1);
    read_batch(METRIC "\n", BATCH_OF_METRICS, metric, 1);
    record_batch_deinit(&b);
}

/* A batch has at most 1,000 values, and no record is divided. */
static void test_limit(void **state) {
    (void)state;
    enum { PER_RECORD = 3, RECORDS = 700 };
    text t = {0};
    size_t total = 0;
    long long records = 0;
    int batches = 0;
    for (int i = 0; i < RECORDS; i++) {
        json_t *values = json_object();
        json_object_set_new(values, "a", record_number(i));
        json_object_set_new(values, "b", record_number(INFINITY));
        json_object_set_new(values, "c", record_number(-INFINITY));
        json_t *record = record_metrics(1796064462.25, i, values);
        assert_ok(json_append(&t, record, JSON_COMPACT));
        assert_ok(text_append(&t, "\n", 1));
        json_decref(record);
    }
    for (; total < t.n; total += b.bytes, records += b.records, batches++) {
        record_batch_deinit(&b);
        assert_ok(record_batch_read(&b, t.data + total, t.n - total));
        assert_int_equal(b.kind, BATCH_OF_METRICS);
        assert_true(json_array_size(b.metrics) <= 1000);
        const json_t *first = json_array_get(b.metrics, 0);
        assert_int_equal(json_integer_value(json_object_get(first, "step")), records);
        assert_int_equal(json_integer_value(json_object_get(first, "timestamp")), 1796064462250);
    }
    assert_int_equal(records, RECORDS);
    assert_int_equal(batches, 3); /* 333 records, 333, 34 */
    record_batch_deinit(&b);
    text_deinit(&t);
}

static void test_spool(void **state) {
    (void)state;
    char path[PATH_BYTES], got[64];
    spool s;
    assert_ok(path_join(path, root, "spool"));
    assert_ok(spool_open(&s, path));
    assert_int_equal(spool_read(&s, 0, got, sizeof got), 0);
    assert_ok(spool_append(&s, "one\n", 4));
    assert_ok(spool_append(&s, "two\n", 4));
    assert_int_equal(spool_read(&s, 4, got, sizeof got), 4);
    assert_memory_equal(got, "two\n", 4);
    assert_int_equal(spool_read(&s, 0, got, 6), 6);
    assert_int_equal(spool_lines(&s, 0), 2);
    assert_int_equal(spool_lines(&s, 4), 1);
    assert_int_equal(spool_lines(&s, 8), 0);
    spool_close(&s);
    /* a line that a killed process left incomplete is ended, so that the next one is whole */
    assert_ok(file_write_atomic(path, "one\ntw", 6));
    assert_ok(spool_open(&s, path));
    assert_ok(spool_append(&s, "three\n", 6));
    assert_int_equal(spool_read(&s, 0, got, sizeof got), 13);
    assert_memory_equal(got, "one\ntw\nthree\n", 13);
    spool_close(&s);
    assert_ok(path_join(path, root, "none/spool"));
    assert_fails(E_NOTFOUND, "cannot write", spool_open(&s, path));
}

/* What a full disk leaves of a lost line is removed before the next line. */
static void test_full(void **state) {
    (void)state;
    char path[PATH_BYTES], got[64];
    spool s;
    assert_ok(path_join(path, root, "full"));
    assert_ok(spool_open(&s, path));
    assert_ok(spool_append(&s, "one\n", 4));
    int fd = s.fd;
    s.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    assert_fails(E_FULL, path, spool_append(&s, "two\n", 4));
    close(s.fd);
    s.fd = fd;
    assert_int_equal(pwrite(fd, "tw", 2, 4), 2); /* as a file system with some room leaves it */
    assert_int_equal(spool_lines(&s, 0), 1);
    assert_ok(spool_append(&s, "three\n", 6));
    assert_int_equal(spool_read(&s, 0, got, sizeof got), 10);
    assert_memory_equal(got, "one\nthree\n", 10);
    spool_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_batches), cmocka_unit_test(test_limit),
                                       cmocka_unit_test(test_spool), cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, root_set_up, root_tear_down);
}
