/* The zip container: the layout of written files, ZIP64, and the refusal of inconsistent files. */
#define _GNU_SOURCE
#include "sample.h"

#include "checkpoint/zip.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static char folder[256], path[300];

static int setup(void **state) {
    (void)state;
    make_temporary_folder(folder);
    snprintf(path, sizeof path, "%s/a.zip", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

/** Three entries; ZIP64 is used from the size `limit` on. The bytes are malloc'd. */
static unsigned char *make(size_t *n, uint64_t limit) {
    zip_writer z;
    unsigned char *bytes = NULL;
    assert_ok(zip_write_open(&z, path));
    if (limit > 0)
        z.limit = limit;
    assert_ok(zip_write_add(&z, "archive/data.pkl", "0123456789", 10));
    assert_ok(zip_write_add(&z, "archive/data/0", "", 0));
    assert_ok(zip_write_add(&z, "archive/version", "3\n", 2));
    assert_ok(zip_write_commit(&z));
    zip_write_abort(&z);
    assert_ok(file_read(&bytes, n, path, 0));
    return bytes;
}

static int memory_file(const void *bytes, size_t n) {
    int fd = memfd_create("zip", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    return fd;
}

/** Opens `bytes` as a zip file and reads all of it. */
static int read_all(const void *bytes, size_t n) {
    zip_reader z;
    int fd = memory_file(bytes, n);
    int rc = zip_read_open(&z, fd);
    for (uint64_t i = 0; rc == OK && i < z.entry_n; i++) {
        assert_true(z.entries[i].offset + z.entries[i].size <= n);
        unsigned char *data = malloc(z.entries[i].size + 1);
        rc = zip_read(&z, &z.entries[i], data);
        free(data);
    }
    zip_read_close(&z);
    close(fd);
    if (rc != OK) {
        assert_int_equal(rc, E_FORMAT);
        assert_null(strchr(status_message(), '\n'));
    }
    return rc;
}

static void test_read_back(void **state) {
    (void)state;
    static const uint64_t limits[] = {0, 1, 5, 60, 200};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        size_t n = 0;
        unsigned char *bytes = make(&n, limits[i]);
        zip_reader z;
        char out[10];
        int fd = memory_file(bytes, n);
        assert_ok(zip_read_open(&z, fd));
        assert_string_equal(z.prefix, "archive");
        assert_int_equal(z.entry_n, 3);
        const zip_entry *e = zip_find(&z, "data.pkl", 8);
        assert_non_null(e);
        assert_int_equal(e->size, 10);
        assert_int_equal(e->offset % 64, 0);
        assert_ok(zip_read(&z, e, out));
        assert_memory_equal(out, "0123456789", 10);
        assert_int_equal(zip_find(&z, "data/0", 6)->offset % 64, 0);
        assert_non_null(zip_find(&z, "version", 7));
        assert_null(zip_find(&z, "data", 4));
        assert_null(zip_find(&z, "data.pkl ", 9));
        zip_read_close(&z);
        close(fd);
        free(bytes);
    }
}

static void test_many_entries(void **state) {
    (void)state;
    zip_writer z;
    zip_reader r;
    char name[32];
    assert_ok(zip_write_open(&z, path));
    for (int i = 0; i < 66000; i++) { /* more than 16 bits count */
        snprintf(name, sizeof name, "a/%d", i);
        assert_ok(zip_write_add(&z, name, &i, sizeof i));
    }
    assert_ok(zip_write_commit(&z));
    zip_write_abort(&z);
    int fd = open(path, O_RDONLY | O_CLOEXEC), got = 0;
    assert_ok(zip_read_open(&r, fd));
    assert_int_equal(r.entry_n, 66000);
    assert_ok(zip_read(&r, zip_find(&r, "65999", 5), &got));
    assert_int_equal(got, 65999);
    zip_read_close(&r);
    close(fd);
}

static void test_abort_leaves_nothing(void **state) {
    (void)state;
    zip_writer z;
    assert_ok(zip_write_open(&z, path));
    assert_ok(zip_write_add(&z, "a/b", "c", 1));
    zip_write_abort(&z);
    assert_false(file_exists(path));
    assert_int_equal(rmdir(folder), 0); /* empty */
    make_temporary_folder(folder);
}

static void test_truncations(void **state) {
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        size_t n = 0;
        unsigned char *bytes = make(&n, zip64 ? 1 : 0);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(read_all(bytes, cut), E_FORMAT);
        assert_int_equal(read_all(bytes, n), OK);
        free(bytes);
    }
}

/* Flips every bit of the file: it is read with unchanged content or refused, and never more bytes than the file has. */
static void test_bit_flips(void **state) {
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        size_t n = 0;
        unsigned char *bytes = make(&n, zip64 ? 1 : 0);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            read_all(bytes, n);
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        free(bytes);
    }
}

/** The k-th occurrence of the signature in the file. */
static unsigned char *find(unsigned char *bytes, size_t n, const char *signature, int k) {
    for (size_t i = 0; i + 4 <= n; i++)
        if (memcmp(bytes + i, signature, 4) == 0 && k-- == 0)
            return bytes + i;
    fail_msg("no signature");
    return NULL;
}

typedef struct damage {
    const char *signature;
    int k;          /* which one */
    size_t at;      /* offset from the start of the signature */
    const char *by; /* (by_n) */
    size_t by_n;
    const char *part;
} damage;

static void test_damages(void **state) {
    (void)state;
    static const damage damages[] = {
        {"PK\1\2", 0, 10, "\x08", 1, "archive/data.pkl is compressed (method 8), so torch.save did not write the file"},
        {"PK\1\2", 0, 8, "\x01", 1, "encrypted"},
        {"PK\1\2", 0, 20, "\xff\0\0\0\xff\0\0\0", 8, "does not fit"},
        {"PK\1\2", 0, 20, "\xfe\xff\xff\xff\xfe\xff\xff\xff", 8, "does not fit"},
        {"PK\1\2", 0, 20, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "inconsistent sizes"}, /* no ZIP64 field */
        {"PK\1\2", 0, 20, "\x09\0\0\0", 4, "inconsistent sizes"},
        {"PK\1\2", 0, 20, "\x09\0\0\0\x09\0\0\0", 8, "damaged"}, /* shorter: the CRC detects it */
        {"PK\1\2", 0, 42, "\xf0\xff\xff\x7f", 4, "outside the file"},
        {"PK\1\2", 1, 42, "\x01\0\0\0", 4, "malformed"}, /* no local header there */
        {"PK\1\2", 2, 34, "\x01", 1, "inconsistent"},
        {"PK\1\2", 0, 28, "\xff\xff", 2, "malformed directory record"},
        {"PK\1\2", 0, 46, "archive/data\n\x1b[\xff", 16, NULL}, /* unusual names are valid */
        {"PK\5\6", 0, 10, "\x04", 1, "does not fit"},
        {"PK\5\6", 0, 10, "\xff\xff", 2, "does not fit"},
        {"PK\5\6", 0, 12, "\xff\xff\xff\xff", 4, "does not fit"},
        {"PK\5\6", 0, 16, "\xff\xff\xff\xff", 4, "does not fit"},
        {"PK\5\6", 0, 20, "\x01", 1, "no zip directory"},
        {"PK\3\4", 0, 8, "\x08", 1, "malformed"},
        {"PK\3\4", 0, 28, "\xff\xff", 2, "does not fit"},
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const damage *d = &damages[i];
        size_t n = 0;
        unsigned char *bytes = make(&n, 0);
        memcpy(find(bytes, n, d->signature, d->k) + d->at, d->by, d->by_n);
        if (d->part == NULL)
            assert_ok(read_all(bytes, n));
        else
            assert_fails(E_FORMAT, d->part, read_all(bytes, n));
        free(bytes);
    }
}

/* Two directory records with the same data: this is how zip bombs are made. */
static void test_overlap(void **state) {
    (void)state;
    size_t n = 0;
    zip_writer z;
    unsigned char *bytes = NULL;
    assert_ok(zip_write_open(&z, path));
    assert_ok(zip_write_add(&z, "a/1", "same", 4));
    assert_ok(zip_write_add(&z, "a/2", "same", 4));
    assert_ok(zip_write_commit(&z));
    zip_write_abort(&z);
    assert_ok(file_read(&bytes, &n, path, 0));
    memcpy(find(bytes, n, "PK\1\2", 1) + 42, find(bytes, n, "PK\1\2", 0) + 42, 4);
    assert_fails(E_FORMAT, "overlap", read_all(bytes, n));
    free(bytes);
}

static void test_duplicate(void **state) {
    (void)state;
    size_t n = 0;
    zip_writer z;
    unsigned char *bytes = NULL;
    assert_ok(zip_write_open(&z, path));
    assert_ok(zip_write_add(&z, "a/\n../x", "1", 1));
    assert_ok(zip_write_add(&z, "a/y", "2", 1));
    assert_ok(zip_write_add(&z, "a/\n../x", "3", 1));
    assert_ok(zip_write_commit(&z));
    zip_write_abort(&z);
    assert_ok(file_read(&bytes, &n, path, 0));
    assert_fails(E_FORMAT, "entry a/?../x occurs twice", read_all(bytes, n));
    free(bytes);
}

/** Reads a valid container with one additional entry of this name. */
static int read_with_entry(const char *name) {
    size_t n = 0;
    zip_writer z;
    unsigned char *bytes = NULL;
    assert_ok(zip_write_open(&z, path));
    assert_ok(zip_write_add(&z, "archive/data.pkl", "1", 1));
    assert_ok(zip_write_add(&z, name, "2", 1));
    assert_ok(zip_write_commit(&z));
    zip_write_abort(&z);
    assert_ok(file_read(&bytes, &n, path, 0));
    int rc = read_all(bytes, n);
    free(bytes);
    return rc;
}

/* Names that lead out of the folder. linnet unpacks nothing, but valid files have no such names. */
static void test_path_tricks(void **state) {
    (void)state;
    static const char *const names[] = {
        "../x", "/etc/passwd", "archive/../../x", "archive/data/..", "archive/../data.pkl", "..", "/"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_fails(E_FORMAT, "points outside the archive", read_with_entry(names[i]));
    assert_ok(read_with_entry("archive/..data"));
    assert_ok(read_with_entry("C:\\x")); /* a valid name, because entries are not used as paths */
}

int main(void) {
    use_memory_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bit_flips, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overlap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_duplicate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_tricks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
