#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "logging/tensorboard.h"
#include "logging/tfrecord.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEEN 4096

typedef struct scalars {
    int n;
    int64_t step[SEEN];
    char tag[SEEN][24];
    double value[SEEN];
} scalars;

static scalars seen;

static void see(void *context, int64_t step, const char *tag, double value) {
    scalars *s = context;
    assert_true(s->n < SEEN);
    s->step[s->n] = step;
    snprintf(s->tag[s->n], sizeof s->tag[0], "%s", tag);
    s->value[s->n++] = value;
}

static int read_all(const char *path) {
    memset(&seen, 0, sizeof seen);
    return tb_events_read(path, see, &seen);
}

/* The folder's event files in the order of their names. */
static int files(char path[8][PATH_BYTES], const char *folder) {
    struct dirent **entry;
    int n = 0, all = scandir(folder, &entry, NULL, alphasort);
    assert_true(all >= 0);
    for (int i = 0; i < all; i++) {
        if (strncmp(entry[i]->d_name, "events.out.tfevents.", 20) == 0 && n < 8)
            assert_ok(path_join(path[n++], folder, entry[i]->d_name));
        free(entry[i]);
    }
    free(entry);
    return n;
}

static void write_steps(const char *folder, int64_t first, int64_t last) {
    tb_events *e = NULL;
    assert_ok(tb_events_open(&e, folder));
    for (int64_t step = first; step <= last; step++) {
        assert_ok(tb_events_scalar(e, "loss", step, 1.0 / (double)(step + 1)));
        if (step % 10 == 9)
            assert_ok(tb_events_text(e, "note", step, "**done**"));
    }
    assert_ok(tb_events_close(e));
}

/* The content of the only event file of a folder. */
static size_t load(unsigned char **bytes, char path[8][PATH_BYTES], const char *folder) {
    size_t n = 0;
    assert_int_equal(files(path, folder), 1);
    assert_ok(file_read(bytes, &n, path[0], 0));
    return n;
}

/* Without file_write_atomic's fsync, which would be slow for every byte of a file. */
static void put_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* RFC 3720, appendix B.4. */
static void test_crc(void **state) {
    (void)state;
    unsigned char bytes[32] = {0};
    assert_true(tfrecord_crc("123456789", 9) == 0xe3069283u);
    assert_true(tfrecord_crc(bytes, 32) == 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_true(tfrecord_crc(bytes, 32) == 0x62a8ab43u);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_true(tfrecord_crc(bytes, 32) == 0x46dd794eu);
    assert_true(tfrecord_crc("", 0) == 0);
    assert_true(tfrecord_mask(0) == 0xa282ead8u);
    assert_true(tfrecord_mask(0x00008000u) == 0xa282ead9u);
}

/* The bytes of the first record, except for its time, equal those of TensorBoard's writer. */
static void test_first_record(void **state) {
    (void)state;
    char folder[256], path[8][PATH_BYTES];
    unsigned char *bytes = NULL;
    make_temporary_folder(folder);
    write_steps(folder, 0, -1);
    assert_int_equal(load(&bytes, path, folder), 8 + 4 + 24 + 4);
    static const unsigned char length[8] = {24}, version[15] = "\x1a\x0d"
                                                               "brain.Event:2";
    assert_memory_equal(bytes, length, 8);
    assert_int_equal(bytes[12], 0x09); /* wall_time, double */
    double time;
    memcpy(&time, bytes + 13, 8);
    assert_true(fabs(time - clock_wall()) < 100);
    assert_memory_equal(bytes + 21, version, 15);
    free(bytes);
    remove_folder(folder);
}

static void test_round_trip(void **state) {
    (void)state;
    char folder[256], path[8][PATH_BYTES];
    make_temporary_folder(folder);
    tb_events *e = NULL;
    assert_ok(tb_events_open(&e, folder));
    static const double value[] = {0, -1.5, 1e-30, INFINITY, NAN, 1e300, 3.4e38};
    static const int64_t step[] = {0, 1, 127, 128, 300000, INT64_C(1) << 40, INT64_MAX};
    for (int i = 0; i < 7; i++)
        assert_ok(tb_events_scalar(e, i % 2 ? "val_loss" : "lr-SGD", step[i], value[i]));
    char long_tag[300];
    memset(long_tag, 't', sizeof long_tag);
    long_tag[299] = 0;
    assert_ok(tb_events_scalar(e, long_tag, 5, 5));
    assert_ok(tb_events_text(e, "hparams", 0, "# text is no scalar"));
    assert_ok(tb_events_close(e));
    assert_int_equal(files(path, folder), 1);
    assert_ok(read_all(path[0]));
    assert_int_equal(seen.n, 8);
    for (int i = 0; i < 7; i++) {
        assert_true(seen.step[i] == step[i]);
        assert_string_equal(seen.tag[i], i % 2 ? "val_loss" : "lr-SGD");
        float expected = (float)value[i];
        assert_true(isnan(expected) ? isnan(seen.value[i]) : seen.value[i] == (double)expected);
    }
    remove_folder(folder);
}

static void test_flush(void **state) {
    (void)state;
    char folder[256], path[8][PATH_BYTES];
    make_temporary_folder(folder);
    tb_events *e = NULL;
    assert_ok(tb_events_open(&e, folder));
    assert_int_equal(files(path, folder), 1);
    assert_ok(tb_events_scalar(e, "loss", 1, 1));
    assert_ok(read_all(path[0]));
    assert_int_equal(seen.n, 0); /* buffered */
    assert_ok(tb_events_flush(e));
    assert_ok(read_all(path[0]));
    assert_int_equal(seen.n, 1);
    for (int i = 0; i < 3000; i++) /* the size of the buffer is limited */
        assert_ok(tb_events_scalar(e, "loss", i, 1));
    assert_ok(read_all(path[0]));
    assert_true(seen.n > 1000);
    assert_ok(tb_events_close(e));
    remove_folder(folder);
}

static void test_names_are_new_and_sorted(void **state) {
    (void)state;
    char folder[256], path[8][PATH_BYTES];
    make_temporary_folder(folder);
    for (int i = 0; i < 5; i++)
        write_steps(folder, 100 * i, 100 * i);
    assert_int_equal(files(path, folder), 5);
    for (int i = 0; i < 5; i++) {
        assert_ok(read_all(path[i]));
        assert_true(seen.n == 1 && seen.step[0] == 100 * i);
    }
    char future[PATH_BYTES]; /* a clock set back, another host */
    assert_ok(path_join(future, folder, "events.out.tfevents.5000000000.zebra.1.0"));
    assert_ok(file_write_atomic(future, "", 0));
    write_steps(folder, 600, 600);
    assert_int_equal(files(path, folder), 7);
    assert_ok(read_all(path[6]));
    assert_true(seen.n == 1 && seen.step[0] == 600);
    tb_events *e = NULL;
    char missing[300];
    snprintf(missing, sizeof missing, "%s/missing", folder);
    assert_fails(E_NOTFOUND, missing, tb_events_open(&e, missing));
    remove_folder(folder);
}

static int count_up_to(int64_t last) {
    for (int i = 0; i < seen.n; i++)
        assert_true(seen.step[i] <= last);
    return seen.n;
}

static void test_trim(void **state) {
    (void)state;
    char folder[256], path[8][PATH_BYTES];
    make_temporary_folder(folder);
    write_steps(folder, 0, 99);
    write_steps(folder, 100, 199);
    assert_int_equal(files(path, folder), 2);
    struct stat before, after;
    assert_int_equal(stat(path[0], &before), 0);
    assert_ok(tb_events_trim(folder, 149));
    assert_int_equal(stat(path[0], &after), 0);
    assert_true(before.st_ino == after.st_ino); /* a file that needs no change is not rewritten */
    assert_ok(read_all(path[0]));
    assert_int_equal(count_up_to(99), 100);
    assert_ok(read_all(path[1]));
    assert_int_equal(count_up_to(149), 50);
    assert_ok(tb_events_trim(folder, 49));
    assert_ok(read_all(path[0]));
    assert_int_equal(count_up_to(49), 50);
    assert_ok(read_all(path[1])); /* its version record is kept */
    assert_int_equal(seen.n, 0);
    assert_ok(tb_events_trim(folder, -1));
    assert_ok(read_all(path[0]));
    assert_int_equal(seen.n, 0);
    assert_int_equal(stat(path[0], &after), 0);
    assert_int_equal(after.st_size, 40);      /* the version record, though of step 0 */
    assert_int_equal(files(path, folder), 2); /* and no temporary files */
    assert_ok(tb_events_trim("/nowhere/at/all", 3));
    remove_folder(folder);
}

/* A file truncated at any byte is read up to its last complete record, and trimmed to it. */
static void test_truncated_anywhere(void **state) {
    (void)state;
    char folder[256], path[8][PATH_BYTES];
    unsigned char *bytes = NULL;
    make_temporary_folder(folder);
    write_steps(folder, 1, 4);
    size_t n = load(&bytes, path, folder), record = (n - 40) / 4;
    for (size_t cut = 0; cut <= n; cut++) {
        put_file(path[0], bytes, cut);
        assert_ok(read_all(path[0]));
        int whole = cut < 40 ? 0 : (int)((cut - 40) / record);
        assert_int_equal(seen.n, whole);
        if (cut % 7 != 0)
            continue;
        assert_ok(tb_events_trim(folder, 2));
        assert_ok(read_all(path[0]));
        assert_int_equal(seen.n, whole < 2 ? whole : 2);
        struct stat st;
        assert_int_equal(stat(path[0], &st), 0);
        assert_int_equal(st.st_size, cut < 40 ? 0 : 40 + record * (size_t)seen.n);
    }
    free(bytes);
    remove_folder(folder);
}

/* Reading ends at a record with a flipped bit. */
static void test_corrupt_anywhere(void **state) {
    (void)state;
    char folder[256], path[8][PATH_BYTES];
    unsigned char *bytes = NULL;
    make_temporary_folder(folder);
    write_steps(folder, 1, 4);
    size_t n = load(&bytes, path, folder), record = (n - 40) / 4;
    for (size_t at = 0; at < n; at++) {
        bytes[at] ^= 0x10;
        put_file(path[0], bytes, n);
        bytes[at] ^= 0x10;
        if (at < 12) {
            assert_fails(E_FORMAT, "is not a TensorBoard event file", read_all(path[0]));
            assert_ok(tb_events_trim(folder, 2)); /* no event file of linnet: not changed */
            struct stat st;
            assert_int_equal(stat(path[0], &st), 0);
            assert_int_equal(st.st_size, n);
            continue;
        }
        int whole = at < 40 ? 0 : (int)((at - 40) / record);
        assert_ok(read_all(path[0]));
        assert_int_equal(seen.n, whole);
        if (at % 7 != 0)
            continue;
        assert_ok(tb_events_trim(folder, 100));
        assert_ok(read_all(path[0]));
        assert_int_equal(seen.n, whole);
    }
    free(bytes);
    remove_folder(folder);
}

/* Protobuf fields in another order, unknown fields, several values, all valid; then invalid ones in valid records. */
static void test_other_writers(void **state) {
    (void)state;
    static const unsigned char mixed[] = {0x2a, 23, /* summary, before the step */
                                          0x0a, 8,    0x15, 0, 0,   0x80, 0x3f, 0x0a, 1, 'a', /* value 1, tag a */
                                          0x0a, 11,   0x0a, 1, 'b', 0x15, 0,    0,    0, 0x40,
                                          0x4a, 1,    0,                      /* b: 2, metadata */
                                          0x10, 0x80, 0x01,                   /* step 128 */
                                          0x78, 5,    0x7d, 1, 2,   3,    4}; /* unknown */
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {{"\x2a\x7f", 2},
               {"\x10\x80", 2},
               {"\x09\x01", 2},
               {"\x0b", 1},
               {"\x2a\x02\x0a\x05", 4},
               {"\x2a\x04\x0a\x02\x15\x01", 6},
               {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 11}};
    char folder[256], path[PATH_BYTES];
    make_temporary_folder(folder);
    assert_ok(path_join(path, folder, "events.out.tfevents.1"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        text t = {0};
        assert_ok(tfrecord_put(&t, "", 0));
        assert_ok(tfrecord_put(&t, mixed, sizeof mixed));
        size_t good = t.n;
        assert_ok(tfrecord_put(&t, bad[i].bytes, bad[i].n));
        assert_ok(tfrecord_put(&t, mixed, sizeof mixed));
        assert_ok(file_write_atomic(path, t.data, t.n));
        assert_ok(read_all(path));
        assert_int_equal(seen.n, 2);
        assert_true(seen.step[0] == 128 && seen.value[0] == 1 && seen.value[1] == 2);
        assert_string_equal(seen.tag[0], "a");
        assert_string_equal(seen.tag[1], "b");
        assert_ok(tb_events_trim(folder, 128));
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, good);
        text_deinit(&t);
    }
    remove_folder(folder);
}

static void test_what_is_no_event_file(void **state) {
    (void)state;
    char folder[256], path[PATH_BYTES];
    make_temporary_folder(folder);
    assert_ok(path_join(path, folder, "events.out.tfevents.9"));
    assert_fails(E_NOTFOUND, path, read_all(path));
    assert_fails(E_IO, folder, read_all(folder));
    assert_ok(file_write_atomic(path, "", 0));
    assert_ok(read_all(path));
    assert_int_equal(seen.n, 0);
    static const char prose[] = "this is a text of more than sixteen bytes";
    assert_ok(file_write_atomic(path, prose, sizeof prose));
    assert_fails(E_FORMAT, "is not a TensorBoard event file", read_all(path));
    text huge = {0}; /* a valid header that claims 2^60 bytes takes no memory */
    uint64_t length = INT64_C(1) << 60;
    uint32_t crc = tfrecord_mask(tfrecord_crc(&length, 8));
    assert_ok(text_append(&huge, &length, 8));
    assert_ok(text_append(&huge, &crc, 4));
    assert_ok(text_append(&huge, prose, sizeof prose));
    assert_ok(file_write_atomic(path, huge.data, huge.n));
    assert_ok(read_all(path));
    text_deinit(&huge);
    remove_folder(folder);
}

/* The temporary file of a killed trim must not be read as a second copy of the data. */
static void test_stale_temporary(void **state) {
    (void)state;
    char folder[256], path[8][PATH_BYTES];
    make_temporary_folder(folder);
    write_steps(folder, 0, 3);
    char stale[PATH_BYTES];
    assert_ok(path_join(stale, folder, "events.out.tfevents.1.host.1.0.tmp"));
    assert_ok(file_write_atomic(stale, "x", 1));
    assert_ok(tb_events_trim(folder, 10));
    assert_int_equal(files(path, folder), 1);
    remove_folder(folder);
}

static void set_file_limit(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* As on a full disk: the error is reported, and buffered data are written when there is space. */
static void test_full_disk(void **state) {
    (void)state;
    char folder[256], path[8][PATH_BYTES];
    make_temporary_folder(folder);
    signal(SIGXFSZ, SIG_IGN);
    tb_events *e = NULL;
    assert_ok(tb_events_open(&e, folder));
    for (int i = 0; i < 100; i++)
        assert_ok(tb_events_scalar(e, "loss", i, i));
    set_file_limit(1000);
    assert_fails(E_IO, "cannot write", tb_events_flush(e));
    assert_int_equal(files(path, folder), 1);
    assert_ok(read_all(path[0]));
    assert_true(seen.n > 0 && seen.n < 100);
    set_file_limit(RLIM_INFINITY);
    assert_ok(tb_events_flush(e));
    assert_ok(read_all(path[0]));
    assert_int_equal(seen.n, 100);
    set_file_limit(1000);
    assert_ok(tb_events_scalar(e, "loss", 100, 100));
    assert_fails(E_IO, "cannot write", tb_events_close(e));
    assert_fails(E_IO, "cannot write", tb_events_trim(folder, 50)); /* and the old file is unchanged */
    set_file_limit(RLIM_INFINITY);
    assert_int_equal(files(path, folder), 1);
    assert_ok(read_all(path[0]));
    assert_int_equal(seen.n, 100);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_first_record),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_names_are_new_and_sorted),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_truncated_anywhere),
        cmocka_unit_test(test_corrupt_anywhere),
        cmocka_unit_test(test_other_writers),
        cmocka_unit_test(test_what_is_no_event_file),
        cmocka_unit_test(test_stale_temporary),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
