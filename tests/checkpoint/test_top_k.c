#include "check.h"

#include "base/file.h"
#include "checkpoint/top_k.h"

static void insert(topk *t, const char *path, double value, const char *expected) {
    char evicted[PATH_BYTES] = "unset";
    topk_insert(evicted, t, path, value);
    assert_string_equal(evicted, expected);
}

static void test_best_three(void **state) {
    (void)state;
    topk t;
    assert_ok(topk_init(&t, 3));
    assert_true(topk_admits(&t, INFINITY));
    insert(&t, "a", 3, "");
    insert(&t, "b", 1, "");
    assert_true(topk_admits(&t, 99));
    insert(&t, "c", 2, "");
    assert_false(topk_admits(&t, 3)); /* strictly better only */
    assert_false(topk_admits(&t, NAN));
    assert_true(topk_admits(&t, 2.99));
    insert(&t, "d", 2.5, "a");
    insert(&t, "e", 0.5, "d");
    insert(&t, "f", 9, "f"); /* not admitted: falls out itself */
    assert_int_equal(t.n, 3);
    assert_string_equal(t.kept[0].path, "b");
    assert_string_equal(t.kept[1].path, "c");
    assert_string_equal(t.kept[2].path, "e");
    topk_deinit(&t);
}

/* NaN counts as +inf: kept while there is room, first to go, never better than anything. */
static void test_nan(void **state) {
    (void)state;
    topk t;
    assert_ok(topk_init(&t, 2));
    assert_true(topk_admits(&t, NAN));
    insert(&t, "nan", NAN, "");
    assert_true(isinf(t.kept[0].value));
    insert(&t, "inf", INFINITY, "");
    assert_false(topk_admits(&t, NAN));
    assert_false(topk_admits(&t, INFINITY));
    insert(&t, "a", 1e300, "nan"); /* of equals the oldest */
    insert(&t, "b", -INFINITY, "inf");
    topk_deinit(&t);
}

/* A list restored from a file may hold NaN as it is. */
static void test_nan_restored(void **state) {
    (void)state;
    topk t;
    assert_ok(topk_init(&t, 1));
    t.n = 1;
    t.kept[0].value = NAN;
    assert_true(topk_admits(&t, 5));
    assert_false(topk_admits(&t, NAN));
    topk_deinit(&t);
}

static void test_none_kept(void **state) {
    (void)state;
    topk t;
    assert_ok(topk_init(&t, 0));
    assert_false(topk_admits(&t, -1));
    insert(&t, "a", 1, "a");
    topk_deinit(&t);
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
        assert_ok(topk_name(out, folder, cases[i].epoch, cases[i].value));
        snprintf(expected, sizeof expected, "%s/%s", folder, cases[i].name);
        assert_string_equal(out, expected);
        assert_ok(file_write_atomic(out, "x", 1));
    }
    assert_ok(topk_name(out, folder, 1, 1.7976931348623157e308));
    char *deep = malloc(PATH_BYTES + 8);
    memset(deep, 'd', PATH_BYTES);
    deep[PATH_BYTES - 10] = 0;
    assert_fails(E_IO, "too long", topk_name(out, deep, 1, 1));
    free(deep);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_three), cmocka_unit_test(test_nan),   cmocka_unit_test(test_nan_restored),
        cmocka_unit_test(test_none_kept),  cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
