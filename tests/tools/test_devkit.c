/* ImageNet's classes and its devkit: read compressed or not; damage is reported. */
#include "root.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "dataset/tar.h"
#include "tools/devkit.h"

#include <zlib.h>

#define TRUTH "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"

/** The table's hash when it was compared with its sources. */
static void table(void **state) {
    (void)state;
    static bool seen[SYNSETS + 1];
    uint64_t h = HASH_START;
    for (int i = 0; i < SYNSETS; i++) {
        const synset *s = &synsets[i];
        assert_in_range(s->id, 1, SYNSETS);
        assert_false(seen[s->id]);
        seen[s->id] = true;
        assert_true(i == 0 || strcmp(s->wnid, synsets[i - 1].wnid) > 0);
        assert_true(strlen(s->wnid) == 9 && s->wnid[0] == 'n' && strspn(s->wnid + 1, "0123456789") == 8);
        assert_int_equal(synset_find(s->wnid), i);
        h = hash_bytes(h, &s->id, sizeof s->id);
        h = hash_bytes(h, s->wnid, strlen(s->wnid) + 1);
        h = hash_bytes(h, s->words, strlen(s->words) + 1);
    }
    assert_int_equal(synset_find("n01440765"), -1);
    assert_int_equal(synset_find(""), -1);
    if (h != 0x76f0dd34f2d0ec41u)
        fail_msg("the table has changed: its hash is %016llx", (unsigned long long)h);
}

static void put(text *t, const char *name, const char *bytes) {
    static const char zeros[TAR_BLOCK];
    assert_ok(tar_put_header(t, name, strlen(bytes)));
    assert_ok(text_append(t, bytes, strlen(bytes)));
    assert_ok(text_append(t, zeros, tar_padding(strlen(bytes))));
}

/** A devkit with this ground truth; NULL: none. */
static text devkit_of(const char *truth) {
    static const char zeros[2 * TAR_BLOCK];
    text t = {0};
    put(&t, "ILSVRC2012_devkit_t12/readme.txt", "a readme");
    put(&t, "ILSVRC2012_devkit_t12/data/meta.mat", "is not read");
    if (truth != NULL)
        put(&t, TRUTH, truth);
    assert_ok(text_append(&t, zeros, sizeof zeros));
    return t;
}

static void compress_to(const char *path, const text *t) {
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, t->data, (unsigned)t->n), (int)t->n);
    assert_int_equal(gzclose(f), Z_OK);
}

/** The first images of the real validation set: ids as in the official ground truth, classes as in Caffe's val.txt. */
static void reads(void **state) {
    (void)state;
    static const int expected[] = {65, 970, 230, 809, 516, 57, 334, 415, 674, 332, 109};
    text t = devkit_of("490\n361\n171\n822\r\n297\n482\n13\n704\n599\n164\n649");
    char path[PATH_BYTES];
    for (int packed = 0; packed < 2; packed++) {
        devkit d;
        assert_ok(path_join(path, root, packed ? "devkit.tar.gz" : "devkit.tar"));
        if (packed)
            compress_to(path, &t);
        else
            assert_ok(file_write_atomic(path, t.data, t.n));
        assert_ok(devkit_read(&d, path));
        assert_int_equal(d.val_n, 11);
        for (int i = 0; i < 11; i++)
            assert_int_equal(d.val_class[i], expected[i]);
        devkit_deinit(&d);
    }
    text_deinit(&t);
}

static void refuse(int code, const char *part, const char *path) {
    devkit d;
    assert_fails(code, part, devkit_read(&d, path));
    assert_non_null(strstr(status_message(), path));
    devkit_deinit(&d);
}

static void refuses(void **state) {
    (void)state;
    static const struct {
        const char *truth, *part;
        int code;
    } c[] = {{NULL, "the archive does not contain data/ILSVRC2012_validation_ground_truth.txt", E_NOTFOUND},
             {"490\n1001\n", "line 2, '1001'", E_FORMAT},
             {"0\n", "line 1, '0'", E_FORMAT},
             {"490\n361 171\n", "line 2, '361 171'", E_FORMAT}};
    char path[PATH_BYTES];
    assert_ok(path_join(path, root, "bad.tar.gz"));
    refuse(E_NOTFOUND, "cannot read", path);
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        text t = devkit_of(c[i].truth);
        compress_to(path, &t);
        refuse(c[i].code, c[i].part, path);
        text_deinit(&t);
    }
}

/** A truncated file, or one with a changed byte. */
static void damaged(void **state) {
    (void)state;
    text t = devkit_of("490\n361\n");
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    assert_ok(path_join(path, root, "damaged.tar.gz"));
    compress_to(path, &t);
    assert_ok(file_read(&bytes, &n, path, 1 << 20));
    const size_t ends[] = {n - 1, n - 8, n / 2, 11};
    for (size_t i = 0; i < 4; i++) {
        assert_ok(file_write_atomic(path, bytes, ends[i]));
        refuse(E_FORMAT, "damaged or truncated", path);
    }
    bytes[n - 8] ^= 1; /* of the CRC-32 */
    assert_ok(file_write_atomic(path, bytes, n));
    refuse(E_FORMAT, "damaged or truncated", path);
    free(bytes);
    text_deinit(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test_setup_teardown(reads, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(refuses, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(damaged, root_set_up, root_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
