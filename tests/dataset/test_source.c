/* Containers: storage errors are retried and do not mark an image as bad; with many shards, only a few are open at a
 * time. */
#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "base/text.h"
#include "dataset/shard_files.h"
#include "dataset/source.h"
#include "dataset/tar.h"
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_codes(void **state) {
    (void)state;
    static const int own[] = {ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG, EISDIR, ESPIPE};
    static const int system[] = {EIO, ESTALE, ETIMEDOUT, EREMOTEIO, ENOTCONN, EHOSTDOWN, EMFILE, ENFILE, EAGAIN};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_fails(E_FORMAT, "cannot read x", source_fail(own[i], "x"));
    for (size_t i = 0; i < sizeof system / sizeof *system; i++)
        assert_fails(E_IO, "cannot read x", source_fail(system[i], "x"));
    assert_fails(E_NOMEM, "cannot read x", source_fail(ENOMEM, "x"));
}

/* A container whose first reads fail. */

static int failures, reads;

static int failing_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i,
                        size_t limit, const char *path) {
    (void)b, (void)d, (void)i, (void)limit;
    if (reads++ < failures)
        return source_fail(EIO, path);
    *bytes = (const unsigned char *)"image";
    *n = 5;
    return OK;
}

static int failing_path(char out[PATH_BYTES], const dataset *d, int64_t i) {
    (void)d, (void)i;
    return path_format(out, "a.jpg");
}

static void test_transient(void **state) {
    (void)state;
    const source s = {.path = failing_path, .read = failing_read};
    dataset *d = NULL;
    image_buffer b = {0};
    const unsigned char *bytes = NULL;
    size_t n = 0;
    assert_ok(dataset_create(&d, &s, "root"));
    failures = 2;
    assert_ok(dataset_read(&bytes, &n, &b, d, 0, 0));
    assert_int_equal(n, 5);
    assert_int_equal(reads, 3);
    failures = 1000;
    reads = 0;
    assert_fails(E_IO, "the storage", dataset_read(&bytes, &n, &b, d, 0, 0));
    assert_in_range(reads, 4, 20);
    dataset_close(d);
}

/* Many shards of one image each */

enum { SHARDS = 300 };

static void write_shards(void) {
    static const char zeros[4 * TAR_BLOCK];
    text t = {0};
    char path[PATH_BYTES], name[32];
    for (int i = 0; i < SHARDS; i++) {
        t.n = 0;
        snprintf(name, sizeof name, "%03d.jpg", i);
        assert_ok(tar_put_header(&t, name, 3));
        assert_ok(text_append(&t, name, 3));
        assert_ok(text_append(&t, zeros, tar_padding(3)));
        snprintf(name, sizeof name, "%03d.cls", i);
        assert_ok(tar_put_header(&t, name, 1));
        assert_ok(text_append(&t, "0", 1));
        assert_ok(text_append(&t, zeros, tar_padding(1)));
        assert_ok(text_append(&t, zeros, 2 * TAR_BLOCK));
        assert_ok(path_format(path, "%s/train-%03d.tar", root, i));
        assert_ok(file_write_atomic(path, t.data, t.n));
    }
    text_deinit(&t);
}

static void read_one(const dataset *d, image_buffer *b, int64_t i) {
    const unsigned char *bytes = NULL;
    size_t n = 0;
    char expected[16];
    assert_ok(dataset_read(&bytes, &n, b, d, i, 0));
    snprintf(expected, sizeof expected, "%03d", (int)i);
    assert_int_equal(n, 3);
    assert_memory_equal(bytes, expected, 3);
}

/** The position of the search for a shard to close remains within the list of shards. */
static void test_many_shards(void **state) {
    (void)state;
    dataset *d = NULL;
    image_buffer b = {0};
    assert_ok(dataset_open(&d, root, "train"));
    assert_int_equal(d->image_n, SHARDS);
    const shard_files *f = d->opened;
    for (int turn = 0; turn < 4; turn++)
        for (int64_t i = 0; i < SHARDS; i++) {
            read_one(d, &b, i);
            assert_in_range(f->open_n, 1, SHARD_FILES_MAX);
        }
    image_buffer_deinit(&b);
    dataset_close(d);
}

static void *read_blocked(void *argument) {
    const unsigned char *bytes = NULL;
    size_t n = 0;
    image_buffer b = {0};
    int rc = dataset_read(&bytes, &n, &b, argument, 7, 0);
    image_buffer_deinit(&b);
    return rc == E_FORMAT ? argument : NULL; /* a pipe cannot be read at an offset */
}

/** A slow open (a pipe blocks until it has a writer) does not block reads of other shards. */
static void test_slow_open(void **state) {
    (void)state;
    dataset *d = NULL;
    image_buffer b = {0};
    char path[PATH_BYTES], other[PATH_BYTES];
    pthread_t thread;
    void *result = NULL;
    assert_ok(dataset_open(&d, root, "train"));
    assert_ok(path_format(path, "%s/train-007.tar", root));
    assert_ok(path_format(other, "%s/kept", root));
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&thread, NULL, read_blocked, d), 0);
    usleep(100000);
    alarm(20); /* if the open holds the lock, the next line blocks */
    read_one(d, &b, 8);
    alarm(0);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    close(fd);
    assert_int_equal(rename(other, path), 0);
    image_buffer_deinit(&b);
    dataset_close(d);
}

static int set_up(void **state) {
    root_set_up(state);
    write_shards();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_codes), cmocka_unit_test(test_transient),
                                       cmocka_unit_test(test_many_shards), cmocka_unit_test(test_slow_open)};
    return cmocka_run_group_tests(tests, set_up, root_tear_down);
}
