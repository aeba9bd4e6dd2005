/* Packing shards with unusual names again: without a suffix, with a suffix of no image, with a dot only in the
 * folder. */
#include "check.h"

#include "base/file.h"
#include "base/text.h"
#include "dataset/dataset.h"
#include "dataset/read.h"
#include "dataset/tar.h"
#include "root.h"
#include "tools/pack.h"

static void put(text *t, const char *name, const void *bytes, size_t n) {
    static const char zeros[TAR_BLOCK];
    assert_ok(tar_put_header(t, name, n));
    assert_ok(text_append(t, bytes, n));
    assert_ok(text_append(t, zeros, tar_padding(n)));
}

static const char *const names[] = {"a/b", "a/b.jpg", "a/c.txt", "a/d.e.png", "a/d_e_3.png", "a.b/c", "a.b/.jpg"};
enum { N = sizeof names / sizeof *names };

/** The bytes of image i: if i is even, with the signature of a PNG, else of no known format. Each is unique. */
static size_t content(unsigned char bytes[16], int i) {
    memcpy(bytes, i % 2 == 0 ? "\x89PNG\r\n\x1a\n" : "unknown ", 8);
    bytes[8] = (unsigned char)i;
    return 9;
}

static void write_shard(const char *folder, const char *split) {
    static const char zeros[2 * TAR_BLOCK];
    text t = {0};
    char path[PATH_BYTES], key[32], json[128];
    unsigned char bytes[16];
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "%03d.png", i);
        put(&t, key, bytes, content(bytes, i));
        snprintf(key, sizeof key, "%03d.json", i);
        snprintf(json, sizeof json, "{\"label\": %d, \"filename\": \"%s\"}", names[i][1] == '.', names[i]);
        put(&t, key, json, strlen(json));
    }
    assert_ok(text_append(&t, zeros, sizeof zeros));
    assert_ok(path_format(path, "%s/%s.tar", folder, split));
    assert_ok(file_write_atomic(path, t.data, t.n));
    text_deinit(&t);
}

/** Every image has the name and the bytes that it had. */
static void assert_packed(const char *folder, const char *split) {
    dataset *d = NULL;
    image_buffer b = {0};
    bool found[N] = {false};
    assert_ok(dataset_open(&d, folder, split));
    assert_int_equal(d->image_n, N);
    for (int64_t k = 0; k < d->image_n; k++) {
        const unsigned char *bytes = NULL;
        unsigned char expected[16];
        size_t n = 0;
        assert_ok(dataset_read(&bytes, &n, &b, d, k, 0));
        for (int i = 0; i < N; i++)
            if (strcmp(dataset_name(d, k), names[i]) == 0) {
                assert_false(found[i]);
                found[i] = true;
                assert_int_equal(n, content(expected, i));
                assert_memory_equal(bytes, expected, n);
            }
    }
    for (int i = 0; i < N; i++)
        assert_true(found[i]);
    image_buffer_deinit(&b);
    dataset_close(d);
}

static void test_names(void **state) {
    (void)state;
    char in[PATH_BYTES], out[PATH_BYTES];
    pack_options o = {.shard_bytes = 1 << 20};
    pack_result r;
    assert_ok(path_join(in, root, "in"));
    assert_ok(path_join(out, root, "out"));
    assert_ok(folder_make(in));
    write_shard(in, "train");
    write_shard(in, "val");
    assert_packed(in, "train");
    splits_request data = {.path = in, .list = "", .class_list = "", .train = true, .val = true};
    assert_ok(pack(&r, &data, out, &o));
    assert_packed(out, "train");
    assert_packed(out, "val");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, root_set_up, root_tear_down);
}
