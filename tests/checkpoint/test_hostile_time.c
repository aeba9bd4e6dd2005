/* Checkpoints that would take very long: small files in which every entry of a container refers to another large
 * one. Each must be refused at once. Without limits most would take hours; an alarm then ends the test. */
#define _GNU_SOURCE
#include "check.h"

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/zip.h"
#include "root.h"

#include <unistd.h>

#define SECONDS 100 /* much longer than each test, even with sanitizers on a busy machine */
#define MANY 500000 /* entries: quadratic time would be hours */

static char path[300];

static int load(const text *pickle) {
    zip_writer z;
    ckpt *c = NULL;
    snprintf(path, sizeof path, "%s/a.ckpt", root);
    assert_ok(zip_write_open(&z, path));
    assert_ok(zip_write_add(&z, "archive/data.pkl", pickle->data, pickle->n));
    assert_ok(zip_write_add(&z, "archive/data/0", "0123456789abcdef", 16));
    assert_ok(zip_write_add(&z, "archive/version", "3\n", 2));
    assert_ok(zip_write_commit(&z));
    zip_write_abort(&z);
    alarm(SECONDS);
    int rc = ckpt_load(&c, path);
    alarm(0);
    ckpt_free(c);
    return rc;
}

#define BYTES(literal) literal, sizeof(literal) - 1
#define STORAGE(key_n, key) "(X\7\0\0\0storagectorch\nFloatStorage\nX" key_n key "X\3\0\0\0cpuK\4tQ"
#define TENSOR(storage)                                                                                                \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage "K\0(K\4t(K\1t\x89"                                                 \
    "ccollections\nOrderedDict\n)RtR"

static void append(text *t, const void *bytes, size_t n) { assert_ok(text_append(t, bytes, n)); }

static void repeat(text *t, const void *bytes, size_t n, int times) {
    for (int i = 0; i < times; i++)
        append(t, bytes, n);
}

/** The beginning of a dictionary as Lightning writes it, with memo 0: 0, 1: None, 2: "ModelCheckpoint", 3: a dict of
 * `n` entries, 4: a list of `list_n` items. */
static text begin(int n, int list_n) {
    text t = {0};
    append(&t, BYTES("\x80\2}("
                     "X\31\0\0\0pytorch-lightning_versionX\5\0\0\0002.0.0X\12\0\0\0state_dict}X\1\0\0\0w"));
    append(&t, BYTES(TENSOR(STORAGE("\1\0\0\0", "0")) "s"));
    append(&t, BYTES("X\1\0\0\0aK\0q\0X\1\0\0\0bNq\1X\1\0\0\0cX\17\0\0\0ModelCheckpointq\2X\1\0\0\0d}q\3("));
    repeat(&t, BYTES("h\0h\1"), n);
    append(&t, BYTES("uX\1\0\0\0e]q\4("));
    repeat(&t, BYTES("h\2"), list_n); /* strings, except for the last */
    append(&t, BYTES("h\1e"));
    return t;
}

static void refused(text *t, const char *part) {
    append(t, BYTES("u."));
    assert_fails(E_FORMAT, part, load(t));
    text_deinit(t);
}

static void test_momentum(void **state) {
    (void)state;
    text t = begin(MANY, 0);
    append(&t, BYTES("X\20\0\0\0optimizer_states]}(X\14\0\0\0param_groups]}X\6\0\0\0params]K\0asaX\5\0\0\0state}("));
    repeat(&t, BYTES("h\0h\3"), MANY);
    append(&t, BYTES("uua"));
    refused(&t, "parameters in the optimizer state");
    t = begin(MANY, 0);
    append(&t, BYTES("X\20\0\0\0optimizer_states]}(X\14\0\0\0param_groups]}X\6\0\0\0params]K\0asaX\5\0\0\0state}("));
    repeat(&t, BYTES("h\0h\3"), 65536);
    append(&t, BYTES("uua"));
    refused(&t, "the state of a parameter has 500000 entries");
}

static void test_groups(void **state) {
    (void)state;
    text t = begin(MANY, 0);
    append(&t, BYTES("X\20\0\0\0optimizer_states]}X\14\0\0\0param_groups]("));
    repeat(&t, BYTES("h\3"), MANY);
    append(&t, BYTES("esa"));
    refused(&t, "500000 parameter groups in the optimizer, more than the limit of 1024");
    t = begin(MANY, 0);
    append(&t, BYTES("X\20\0\0\0optimizer_states]}X\14\0\0\0param_groups]("));
    repeat(&t, BYTES("h\3"), 1000);
    append(&t, BYTES("esa"));
    refused(&t, "a parameter group has 500000 entries");
}

static void test_callbacks(void **state) {
    (void)state;
    text t = begin(MANY, 0);
    append(&t, BYTES("X\11\0\0\0callbacks}("));
    repeat(&t, BYTES("h\2h\3"), MANY);
    append(&t, BYTES("u"));
    refused(&t, "callbacks");
    t = begin(MANY, 0);
    append(&t, BYTES("X\11\0\0\0callbacks}("));
    repeat(&t, BYTES("h\2h\3"), 1000);
    append(&t, BYTES("u"));
    refused(&t, "a callback has 500000 entries");
}

static void test_hyper_parameters(void **state) {
    (void)state;
    text t = begin(0, 65000);
    append(&t, BYTES("X\20\0\0\0hyper_parameters}("));
    repeat(&t, BYTES("h\2h\4"), 65000);
    append(&t, BYTES("u"));
    refused(&t, "far more memory");
}

/** Long storage keys with a common prefix, which sorting would compare byte by byte. */
static void test_storage_keys(void **state) {
    (void)state;
    text t = begin(0, 0);
    char key[65];
    memset(key, 'k', sizeof key);
    append(&t, BYTES("X\1\0\0\0f(X\7\0\0\0storagectorch\nFloatStorage\nX\x41\0\0\0"));
    append(&t, key, sizeof key);
    append(&t, BYTES("X\3\0\0\0cpuK\4tQ"));
    refused(&t, "a storage key has 65 bytes");
}

/** Many storages, each partly used: a lookup must not search all storages that were read before. */
static void test_many_storages(void **state) {
    (void)state;
    enum { STORAGES = 40000 };
    text t = {0};
    zip_writer z;
    ckpt *c = NULL;
    char name[32], key[16];
    append(&t, BYTES("\x80\2}("));
    for (int i = 0; i < STORAGES; i++) {
        snprintf(key, sizeof key, "%05d", i);
        append(&t, BYTES("X\5\0\0\0"));
        append(&t, key, 5);
        append(&t, BYTES("ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\nX\5\0\0\0"));
        append(&t, key, 5);
        append(&t, BYTES("X\3\0\0\0cpuK\4tQK\0(K\1t(K\1t\x89"
                         "ccollections\nOrderedDict\n)RtR"));
    }
    append(&t, BYTES("u."));
    snprintf(path, sizeof path, "%s/b.ckpt", root);
    assert_ok(zip_write_open(&z, path));
    assert_ok(zip_write_add(&z, "archive/data.pkl", t.data, t.n));
    for (int i = 0; i < STORAGES; i++) {
        snprintf(name, sizeof name, "archive/data/%05d", i);
        assert_ok(zip_write_add(&z, name, "0123456789abcdef", 16));
    }
    assert_ok(zip_write_commit(&z));
    zip_write_abort(&z);
    alarm(SECONDS);
    assert_ok(ckpt_load(&c, path));
    alarm(0);
    assert_int_equal(c->state_n, STORAGES);
    for (int i = 0; i < STORAGES; i++)
        assert_memory_equal(c->state[i].data, "0123", 4);
    ckpt_free(c);
    text_deinit(&t);
}

/** Long names of globals, each compared with those that were skipped before. */
static void test_long_names(void **state) {
    (void)state;
    text t = {0};
    ckpt *c = NULL;
    append(&t, BYTES("\x80\4}(X\1\0\0\0w"));
    append(&t, BYTES(TENSOR(STORAGE("\1\0\0\0", "0")) "X\1\0\0\0a]("));
    for (int i = 0; i < 9; i++) { /* memo 0 to 8: names that differ at their ends */
        append(&t, BYTES("X\0\0\x10\0"));
        repeat(&t, BYTES("m"), (1 << 20) - 1);
        append(&t, (char[]){(char)('0' + i)}, 1);
        append(&t, (char[]){'q', (char)i}, 2);
    }
    for (int i = 0; i < MANY; i++)
        append(&t, (char[]){'h', (char)(i % 9), 'h', (char)(i % 7), (char)0x93, '0'}, 6);
    append(&t, BYTES("eu."));
    snprintf(path, sizeof path, "%s/a.ckpt", root);
    zip_writer z;
    assert_ok(zip_write_open(&z, path));
    assert_ok(zip_write_add(&z, "archive/data.pkl", t.data, t.n));
    assert_ok(zip_write_add(&z, "archive/data/0", "0123456789abcdef", 16));
    assert_ok(zip_write_commit(&z));
    zip_write_abort(&z);
    alarm(SECONDS);
    assert_ok(ckpt_load(&c, path));
    alarm(0);
    ckpt_free(c);
    text_deinit(&t);
}

/** Large dictionaries under very many keys: the search for the model must not go through each. */
static void test_many_parts(void **state) {
    (void)state;
    text t = begin(MANY, 0);
    append(&t, BYTES("X\5\0\0\0state}("));
    repeat(&t, BYTES("h\2h\3"), MANY);
    append(&t, BYTES("u"));
    append(&t, BYTES("u."));
    assert_ok(load(&t));
    text_deinit(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_momentum),     cmocka_unit_test(test_groups),
        cmocka_unit_test(test_callbacks),    cmocka_unit_test(test_hyper_parameters),
        cmocka_unit_test(test_storage_keys), cmocka_unit_test(test_many_storages),
        cmocka_unit_test(test_long_names),   cmocka_unit_test(test_many_parts),
    };
    return cmocka_run_group_tests(tests, root_set_up, root_tear_down);
}
