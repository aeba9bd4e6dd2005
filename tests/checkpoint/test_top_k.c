#include "check.h"

#include "base/file.h"
#include "checkpoint/top_k.h"

static void insert(top_k *t, const char *path, double value, const char *expected) {
    char evicted[PATH_BYTES] = "unset";
    top_k_insert(evicted, t, path, value);
    assert_string_equal(evicted, expected);
}

static void test_best_three(void **state) {
    (void)state;
    top_k t;
    assert_ok(top_k_init(&t, 3, false));
    assert_true(top_k_admits(&t, 1e300));
    insert(&t, "a", 3, "");
    insert(&t, "b", 1, "");
    assert_true(top_k_admits(&t, 99));
    insert(&t, "c", 2, "");
    assert_false(top_k_admits(&t, 3)); /* strictly better only */
    assert_false(top_k_admits(&t, NAN));
    assert_true(top_k_admits(&t, 2.99));
    insert(&t, "d", 2.5, "a");
    insert(&t, "e", 0.5, "d");
    insert(&t, "f", 9, "f"); /* not admitted: evicts itself */
    assert_int_equal(t.n, 3);
    assert_string_equal(t.kept[0].path, "b");
    assert_string_equal(t.kept[1].path, "c");
    assert_string_equal(t.kept[2].path, "e");
    top_k_deinit(&t);
}

static void test_highest(void **state) {
    (void)state;
    top_k t;
    assert_ok(top_k_init(&t, 2, true));
    insert(&t, "a", 0.5, "");
    insert(&t, "b", 0.7, "");
    assert_false(top_k_admits(&t, 0.5));
    assert_false(top_k_admits(&t, INFINITY));
    insert(&t, "c", 0.6, "a");
    assert_string_equal(top_k_best(&t)->path, "b");
    top_k_deinit(&t);
}

/* A loss that is not finite is never among the best, even if fewer than k files are kept. */
static void test_nan(void **state) {
    (void)state;
    top_k t;
    assert_ok(top_k_init(&t, 2, false));
    static const double not_finite[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        assert_false(top_k_admits(&t, not_finite[i]));
        insert(&t, "not finite", not_finite[i], "not finite");
    }
    assert_int_equal(t.n, 0);
    assert_null(top_k_best(&t));
    insert(&t, "a", 1e300, "");
    top_k_deinit(&t);
}

/* A list restored from a file may contain NaN. */
static void test_nan_restored(void **state) {
    (void)state;
    top_k t;
    assert_ok(top_k_init(&t, 1, false));
    t.n = 1;
    t.kept[0].value = NAN;
    assert_true(top_k_admits(&t, 5));
    assert_false(top_k_admits(&t, NAN));
    top_k_deinit(&t);
}

static void test_none_kept(void **state) {
    (void)state;
    top_k t;
    assert_ok(top_k_init(&t, 0, false));
    assert_false(top_k_admits(&t, -1));
    insert(&t, "a", 1, "a");
    top_k_deinit(&t);
}

static void test_names(void **state) {
    (void)state;
    char folder[256], out[PATH_BYTES], expected[300];
    make_temporary_folder(folder);
    static const struct {
        int64_t epoch;
        double value;
        const char *name;
    } cases[] = {
        {7, 1.234, "epoch=7-val_loss=1.23.ckpt"},
        {7, 1.23, "epoch=7-val_loss=1.23-v1.ckpt"},
        {7, 1.2349, "epoch=7-val_loss=1.23-v2.ckpt"},
        {0, 0.125, "epoch=0-val_loss=0.12.ckpt"}, /* half to even, as Python formats it */
        {100, NAN, "epoch=100-val_loss=nan.ckpt"},
        {100, -NAN, "epoch=100-val_loss=nan-v1.ckpt"},
        {3, INFINITY, "epoch=3-val_loss=inf.ckpt"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(top_k_name(out, folder, cases[i].epoch, "val_loss", cases[i].value));
        snprintf(expected, sizeof expected, "%s/%s", folder, cases[i].name);
        assert_string_equal(out, expected);
        assert_ok(file_write_atomic(out, "x", 1));
    }
    assert_ok(top_k_name(out, folder, 4, "val_acc", 0.756));
    assert_non_null(strstr(out, "/epoch=4-val_acc=0.76.ckpt"));
    assert_ok(top_k_name(out, folder, 1, "val_loss", 1.7976931348623157e308));
    char *deep = malloc(PATH_BYTES + 8);
    memset(deep, 'd', PATH_BYTES);
    deep[PATH_BYTES - 10] = 0;
    assert_fails(E_IO, "too long", top_k_name(out, deep, 1, "val_loss", 1));
    free(deep);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_three),   cmocka_unit_test(test_highest),   cmocka_unit_test(test_nan),
        cmocka_unit_test(test_nan_restored), cmocka_unit_test(test_none_kept), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
