#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "logging/tensorboard.h"
#include "logging/tfrecord.h"

#include <dirent.h>

static int scalars_n;

static void count_scalar(void *context, int64_t step, const char *tag, double value) {
    (void)context;
    assert_true(step == 7 && value == 0.5);
    assert_string_equal(tag, "loss");
    scalars_n++;
}

/* The only event file of a folder. */
static void find_file(char path[PATH_BYTES], const char *folder) {
    struct dirent **entry;
    int n = scandir(folder, &entry, NULL, alphasort);
    assert_int_equal(n, 3);
    assert_ok(path_join(path, folder, entry[2]->d_name));
    while (n > 0)
        free(entry[--n]);
    free(entry);
}

/* The Summary.Value of record number `index`, after wall_time, step and the lengths of summary and value, which are one
 * byte each here. */
static size_t take_value(unsigned char *out, const char *path, int index, size_t step_n) {
    tfrecord_reader r;
    unsigned char *bytes;
    size_t n, skip = 9 + step_n + 4;
    bool found = true;
    assert_ok(file_read(&bytes, &n, path, 0));
    FILE *f = fmemopen(bytes, n, "rb");
    assert_non_null(f);
    tfrecord_open(&r, f, n);
    for (int i = 0; i <= index && found; i++)
        assert_ok(tfrecord_next(&r, &found));
    assert_true(found && r.n > skip && r.n < 256);
    assert_int_equal(r.data[skip - 2], 0x0a);
    assert_int_equal(r.data[skip - 1], r.n - skip);
    memcpy(out, r.data + skip, r.n - skip);
    n = r.n - skip;
    tfrecord_close(&r);
    fclose(f);
    free(bytes);
    return n;
}

#define assert_value(path, index, step_n, ...)                                                                         \
    do {                                                                                                               \
        static const unsigned char expected_[] = {__VA_ARGS__};                                                        \
        unsigned char got_[256];                                                                                       \
        assert_int_equal(take_value(got_, path, index, step_n), sizeof expected_);                                     \
        assert_memory_equal(got_, expected_, sizeof expected_);                                                        \
    } while (0)

/* As google.protobuf encodes the same messages. */
static void test_bytes(void **state) {
    (void)state;
    char folder[256], path[PATH_BYTES];
    histogram h;
    make_temporary_folder(folder);
    tb_events *e = NULL;
    assert_ok(tb_events_open(&e, folder));
    assert_ok(tb_events_image(e, "i", 300, "\x89PNG", 4, 300, 200));
    assert_ok(histogram_init(&h));
    assert_ok(tb_events_histogram(e, "h", 1, &h));
    histogram_deinit(&h);
    assert_ok(tb_events_text(e, "t", 1, "*"));
    assert_ok(tb_events_close(e));
    find_file(path, folder);
    assert_value(path, 1, 3, 0x0a, 1, 'i', 0x22, 14, 0x08, 0xc8, 0x01, 0x10, 0xac, 0x02, 0x18, 3, 0x22, 4, 0x89, 'P',
                 'N', 'G');
    assert_value(path, 2, 2, 0x0a, 1, 'h', 0x2a, 65, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0x19,
                 0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0, 0, 0, 0, 0x32, 8, 0xff,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0x7f, 0x3a, 8, 0, 0, 0, 0, 0, 0, 0, 0);
    assert_value(path, 3, 2, 0x0a, 14, 't', '/', 't', 'e', 'x', 't', '_', 's', 'u', 'm', 'm', 'a', 'r', 'y', 0x42, 11,
                 0x08, 7, 0x12, 4, 0x12, 2, 0x08, 1, 0x42, 1, '*', 0x4a, 8, 0x0a, 6, 0x0a, 4, 't', 'e', 'x', 't');
    remove_folder(folder);
}

static void write_all(const char *folder, bool end) {
    static const tb_events_hparam hparam[] = {
        {"lr", 'd', 0.1, NULL}, {"arch", 's', 0, "resnet50"}, {"flip", 'b', 1, NULL}, {"clip", 'd', NAN, NULL}};
    static const char *const metric[] = {"loss"};
    static unsigned char image[200000]; /* more than the buffer's size */
    double value[100];
    histogram h;
    tb_events *e = NULL;
    assert_ok(histogram_init(&h));
    for (int i = 0; i < 100; i++)
        value[i] = sin(i);
    histogram_add(&h, value, 100);
    assert_ok(tb_events_open(&e, folder));
    assert_ok(tb_events_hparams(e, hparam, 4, metric, 1, "group"));
    assert_ok(tb_events_image(e, "image", 7, image, sizeof image, 500, 400));
    assert_ok(tb_events_histogram(e, "weights", 7, &h));
    assert_ok(tb_events_scalar(e, "loss", 7, 0.5));
    if (end)
        assert_ok(tb_events_hparams_end(e, true));
    assert_ok(tb_events_close(e));
    histogram_deinit(&h);
}

static size_t size_of(const char *path) {
    unsigned char *bytes;
    size_t n;
    assert_ok(file_read(&bytes, &n, path, 0));
    free(bytes);
    return n;
}

/* Summaries other than scalars are skipped by a reader and kept by a trim up to its step. The session end is always
 * removed. */
static void test_read_and_trim(void **state) {
    (void)state;
    char folder[256], path[PATH_BYTES];
    make_temporary_folder(folder);
    write_all(folder, false);
    find_file(path, folder);
    size_t without_end = size_of(path);
    assert_ok(file_remove(path));
    write_all(folder, true);
    find_file(path, folder);
    assert_true(size_of(path) > without_end);
    scalars_n = 0;
    assert_ok(tb_events_read(path, count_scalar, NULL));
    assert_int_equal(scalars_n, 1);
    assert_ok(tb_events_trim(folder, 7));
    assert_int_equal(size_of(path), without_end);
    scalars_n = 0;
    assert_ok(tb_events_read(path, count_scalar, NULL));
    assert_int_equal(scalars_n, 1);
    assert_ok(tb_events_trim(folder, 6));
    size_t left = size_of(path);
    assert_true(left < 1000 && left > 200); /* the hyperparameters */
    scalars_n = 0;
    assert_ok(tb_events_read(path, count_scalar, NULL));
    assert_int_equal(scalars_n, 0);
    assert_ok(tb_events_trim(folder, 0));
    assert_int_equal(size_of(path), left);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes), cmocka_unit_test(test_read_and_trim)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
