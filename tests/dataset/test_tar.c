/* Tar archives: written archives are read back, archives of other programs are read, and damage is reported and
 * skipped. */
#include "check.h"

#include "dataset/tar.h"

#include <stdint.h>

static void put(text *t, const char *name, const char *bytes) {
    static const char zeros[2 * TAR_BLOCK];
    assert_ok(tar_put_header(t, name, strlen(bytes)));
    assert_ok(text_append(t, bytes, strlen(bytes)));
    assert_ok(text_append(t, zeros, tar_padding(strlen(bytes))));
}

static void end(text *t) {
    static const char zeros[2 * TAR_BLOCK];
    assert_ok(text_append(t, zeros, sizeof zeros));
}

static void seal(char *block) {
    unsigned sum = 8 * ' ';
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? 0 : (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
}

static tar_reader open_text(const text *t) {
    tar_source s = {.fd = -1, .memory = (unsigned char *)t->data, .size = t->n, .name = "x.tar"};
    tar_reader r;
    assert_ok(tar_reader_init(&r, &s));
    return r;
}

static void expect(tar_reader *r, const char *name, const char *bytes) {
    static tar_member m;
    bool more = false;
    char have[4096];
    assert_ok(tar_next(&more, &m, r));
    assert_true(more);
    assert_string_equal(m.name, name);
    assert_int_equal(m.size, strlen(bytes));
    assert_ok(tar_read(have, r, &m, 0, (size_t)m.size));
    assert_memory_equal(have, bytes, strlen(bytes));
}

static void expect_end(tar_reader *r) {
    static tar_member m;
    bool more = true;
    assert_ok(tar_next(&more, &m, r));
    assert_false(more);
    tar_reader_deinit(r);
}

static void test_round_trip(void **state) {
    (void)state;
    char long_name[1500], split_name[240];
    memset(long_name, 'n', sizeof long_name - 1);
    memset(split_name, 'p', sizeof split_name - 1);
    long_name[sizeof long_name - 1] = split_name[sizeof split_name - 1] = 0;
    split_name[150] = '/';
    text t = {0};
    put(&t, "a/b.jpg", "hello");
    put(&t, split_name, ""); /* prefix and name */
    put(&t, long_name, "pax");
    put(&t, "\xc3\xa9.cls", "1");
    end(&t);
    tar_reader r = open_text(&t);
    expect(&r, "a/b.jpg", "hello");
    expect(&r, split_name, "");
    expect(&r, long_name, "pax");
    expect(&r, "\xc3\xa9.cls", "1");
    expect_end(&r);
    text_deinit(&t);
}

/** GNU's long name, a base-256 size, a name with "./", a folder, a v7 header with a signed sum. */
static void test_foreign(void **state) {
    (void)state;
    text t = {0};
    put(&t, "././@LongLink", "dir/long.jpg");
    t.data[156] = 'L';
    seal(t.data);
    size_t at = t.n;
    put(&t, "cut", "data");
    memset(t.data + at + 124, 0, 12);
    t.data[at + 124] = (char)0x80;
    t.data[at + 135] = 4;
    seal(t.data + at);
    at = t.n;
    put(&t, "folder/", "");
    t.data[at + 156] = '5';
    seal(t.data + at);
    at = t.n;
    put(&t, "././/\xff.cls", "7");
    memset(t.data + at + 257, 0, 8);
    seal(t.data + at);
    int sum = 8 * ' '; /* as signed characters */
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? 0 : (signed char)t.data[at + (size_t)i];
    snprintf(t.data + at + 148, 8, "%06o", (unsigned)sum);
    end(&t);
    tar_reader r = open_text(&t);
    expect(&r, "dir/long.jpg", "data");
    expect(&r, "folder/", "");
    expect(&r, "\xff.cls", "7");
    expect_end(&r);
    text_deinit(&t);
}

/** A flipped bit in a header loses only that member; a truncation is reported. */
static void test_damage(void **state) {
    (void)state;
    tar_member *m = calloc(1, sizeof *m);
    text t = {0};
    put(&t, "one", "1");
    size_t second = t.n;
    put(&t, "two", "2");
    put(&t, "three", "3");
    end(&t);
    bool more = true;
    t.data[second + 3] ^= 4;
    tar_reader r = open_text(&t);
    expect(&r, "one", "1");
    assert_fails(E_FORMAT, "x.tar: damaged at byte 1024", tar_next(&more, m, &r));
    assert_ok(tar_resync(&r));
    expect(&r, "three", "3");
    expect_end(&r);
    t.data[second + 3] ^= 4;
    for (size_t cut = 0; cut < t.n - TAR_BLOCK; cut += 100) {
        text part = {.data = t.data, .n = cut};
        r = open_text(&part);
        int rc = OK;
        while ((rc = tar_next(&more, m, &r)) == OK && more)
            continue;
        assert_true(cut >= t.n - 2 * TAR_BLOCK || rc == E_FORMAT);
        assert_true(rc == OK || strstr(status_message(), "truncated") != NULL);
        tar_reader_deinit(&r);
    }
    text_deinit(&t);
    free(m);
}

static void test_names(void **state) {
    (void)state;
    static const char *const safe[] = {"a", "a/b.jpg", "..a", "a../b", "a/..b"};
    static const char *const unsafe[] = {"", "/a", "..", "../a", "a/../b", "a/..", "a\nb", "a\x7f"};
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        assert_true(tar_name_is_safe(safe[i]));
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        assert_false(tar_name_is_safe(unsafe[i]));
}

/** GNU's sparse members (type S) have further headers before their data when they have many holes. */
static void test_gnu_sparse(void **state) {
    (void)state;
    text t = {0};
    char more[TAR_BLOCK] = {0};
    put(&t, "before.jpg", "one");
    size_t at = t.n;
    assert_ok(tar_put_header(&t, "sparse.jpg", 5));
    t.data[at + 156] = 'S';
    memcpy(t.data + at + 257, "ustar  ", 8);
    t.data[at + 482] = 1;
    seal(t.data + at);
    more[504] = 1;
    assert_ok(text_append(&t, more, sizeof more));
    more[504] = 0;
    assert_ok(text_append(&t, more, sizeof more));
    memset(more, 'x', 5);
    assert_ok(text_append(&t, more, sizeof more));
    put(&t, "after.jpg", "three");
    end(&t);
    tar_reader r = open_text(&t);
    tar_member m;
    bool found = false;
    expect(&r, "before.jpg", "one");
    assert_ok(tar_next(&found, &m, &r));
    assert_true(found);
    assert_int_equal(m.type, 'S');
    assert_int_equal(m.data, at + 3 * TAR_BLOCK);
    expect(&r, "after.jpg", "three");
    expect_end(&r);
    t.n = at + TAR_BLOCK; /* cut off before its further headers */
    r = open_text(&t);
    expect(&r, "before.jpg", "one");
    assert_fails(E_FORMAT, "truncated", tar_next(&found, &m, &r));
    tar_reader_deinit(&r);
    text_deinit(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gnu_sparse), cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_foreign), cmocka_unit_test(test_damage),
                                       cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
