/* linnet_loader: refused options and states, configuration files, missing and corrupt images. */
#include "loader_data.h"

static epoch_data got;

static void test_refused_states(void **state) {
    char *saved = NULL;
    linnet_options *o = options_of("2");
    linnet_loader *l = open_with("2", "train", NULL), *other = NULL, *val = open_with("1", "val", NULL);
    (void)state;
    assert_true(linnet_loader_next(NULL, NULL, NULL, NULL, l, LINNET_UINT8_NHWC) > 0);
    assert_ok(linnet_loader_state(&saved, l));
    assert_fails(LINNET_E_OPTION, "split train", linnet_loader_restore(val, saved));
    assert_ok(linnet_options_set(o, "data.batch_size", "6"));
    assert_ok(linnet_loader_open(&other, o, "train", NULL));
    assert_fails(LINNET_E_OPTION, "data.batch_size 7, but now it is 6", linnet_loader_restore(other, saved));
    linnet_loader_close(other);
    linnet_options_destroy(o);
    *strstr(saved, "fingerprint") = 'F';
    assert_fails(LINNET_E_DATA, "different data", linnet_loader_restore(l, saved));
    assert_fails(LINNET_E_FORMAT, "not a state", linnet_loader_restore(l, "{}"));
    assert_fails(LINNET_E_FORMAT, "not a state", linnet_loader_restore(l, "[1"));
    assert_fails(LINNET_E_FORMAT, "no valid epoch", linnet_loader_restore(l, "{\"linnet_loader\": 1, \"epoch\": -1}"));
    linnet_free(saved);
    linnet_loader_close(l);
    linnet_loader_close(val);
}

static void test_refused_options(void **state) {
    linnet_options *o = options_of("2");
    linnet_loader *l = NULL;
    linnet_ranks ranks = {.rank = 2, .count = 2};
    (void)state;
    assert_fails(LINNET_E_OPTION, "data.batch_sise", linnet_options_set(o, "data.batch_sise", "7"));
    assert_fails(LINNET_E_OPTION, "data.batch_size", linnet_options_set(o, "data.batch_size", "many"));
    assert_fails(LINNET_E_NOTFOUND, "no.yaml", linnet_options_read(o, "no.yaml"));
    assert_fails(LINNET_E_OPTION, "train or val", linnet_loader_open(&l, o, "test", NULL));
    assert_null(l);
    assert_fails(LINNET_E_OPTION, "rank 2 of 2", linnet_loader_open(&l, o, "train", &ranks));
    assert_ok(linnet_options_set(o, "data.batch_size", "auto"));
    assert_fails(LINNET_E_OPTION, "data.batch_size auto", linnet_loader_open(&l, o, "train", NULL));
    assert_fails(LINNET_E_OPTION, "set data.val_batch_size", linnet_loader_open(&l, o, "val", NULL));
    assert_ok(linnet_options_set(o, "data.val_batch_size", "5")); /* all that this split uses */
    assert_fails(LINNET_E_OPTION, "data.batch_size auto", linnet_loader_open(&l, o, "train", NULL));
    assert_ok(linnet_loader_open(&l, o, "val", NULL));
    assert_int_equal(linnet_loader_batch_size(l), 5);
    linnet_loader_close(l);
    assert_ok(linnet_options_set(o, "data.batch_size", "7"));
    assert_ok(linnet_options_set(o, "data.path", "/nowhere"));
    assert_fails(LINNET_E_NOTFOUND, "/nowhere", linnet_loader_open(&l, o, "train", NULL));
    linnet_options_destroy(o);
    l = open_with("1", "train", NULL);
    assert_fails(LINNET_E_OPTION, "batch 10", linnet_loader_start(l, 0, 10));
    assert_fails(LINNET_E_OPTION, "epoch -1", linnet_loader_start(l, -1, 0));
    assert_fails(LINNET_E_OPTION, "0 workers", linnet_loader_set_workers(l, 0));
    assert_ok(linnet_loader_set_workers(l, 3));
    linnet_loader_close(l);
}

/** A configuration file sets the options; what is set after it has precedence. */
static void test_file(void **state) {
    static const char yaml[] = "data: {batch_size: 4, image_size: 32}\nschedule: {name: cosine}\n";
    char path[PATH_BYTES];
    linnet_options *o = NULL;
    linnet_loader *l = NULL;
    (void)state;
    assert_ok(path_join(path, root, "recipe.yaml"));
    assert_ok(file_write_atomic(path, yaml, strlen(yaml)));
    assert_ok(linnet_options_create(&o));
    assert_ok(linnet_options_set(o, "data.image_size", "40"));
    assert_ok(linnet_options_read(o, path));
    assert_ok(linnet_options_set(o, "data.path", folder));
    assert_ok(linnet_loader_open(&l, o, "train", NULL));
    assert_int_equal(linnet_loader_batch_size(l), 4);
    assert_int_equal(linnet_loader_image_size(l), 32);
    linnet_loader_close(l);
    linnet_options_destroy(o);
}

/** Labels of validation images are those of the training, also if a class has no validation folder. */
static void test_class_without_val(void **state) {
    char path[400];
    (void)state;
    linnet_loader *l = open_with("1", "val", NULL);
    snprintf(path, sizeof path, "%.300s/val/%.40s", folder, linnet_loader_class_name(l, 0));
    linnet_loader_close(l);
    remove_folder(path);
    l = open_with("1", "val", NULL);
    memset(&got, 0, sizeof got);
    take(&got, l, MOST);
    assert_int_equal(linnet_loader_classes(l), CLASSES);
    assert_int_equal(got.label[0][0], 1);
    assert_true(got.target[0][0][1] == 1 && got.target[0][0][0] == 0);
    linnet_loader_close(l);
}

/** A corrupt image is replaced in training and omitted in validation, and both say so. */
static void test_bad_image(void **state) {
    char path[PATH_BYTES];
    (void)state;
    linnet_loader *l = open_with("2", "val", NULL);
    assert_ok(path_format(path, "%s/val/%s", folder, linnet_loader_image_name(l, 0)));
    linnet_loader_close(l);
    assert_ok(file_write_atomic(path, "no image", 8));
    linnet_options *o = options_of("2");
    assert_ok(linnet_options_set(o, "data.max_bad", "0.1"));
    assert_ok(linnet_loader_open(&l, o, "val", NULL));
    memset(&got, 0, sizeof got);
    take(&got, l, MOST);
    assert_int_equal(got.n[0], BATCH - 1);
    assert_int_equal(linnet_loader_bad_n(l), 1);
    assert_int_equal(linnet_loader_bad_index(l, 0), 0);
    assert_non_null(strstr(linnet_loader_bad_message(l, 0), "/val/"));
    assert_null(linnet_loader_bad_message(l, 1));
    assert_int_equal(linnet_loader_bad_index(l, 1), -1);
    linnet_loader_close(l);
    assert_ok(linnet_options_set(o, "data.max_bad", "0"));
    assert_ok(linnet_loader_open(&l, o, "val", NULL));
    assert_fails(LINNET_E_DATA, "data.max_bad", linnet_loader_next(NULL, NULL, NULL, NULL, l, LINNET_UINT8_NHWC));
    linnet_loader_close(l);
    linnet_options_destroy(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_states),    cmocka_unit_test(test_refused_options), cmocka_unit_test(test_file),
        cmocka_unit_test(test_class_without_val), /* it and the next damage the data */
        cmocka_unit_test(test_bad_image),
    };
    return cmocka_run_group_tests(tests, set_up, root_tear_down);
}
