/* The loader with images that cannot be read. */
#include "fake_images.h"

#include <sys/resource.h>
#include <sys/stat.h>

static char root[256];
static dataset *data;

static int set_up(void **state) {
    (void)state;
    make_temporary_folder(root);
    data = fake_dataset(root, 47);
    decode_us = 0;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    dataset_close(data);
    remove_folder(root);
    return 0;
}

/** Runs an epoch to its end or to the first error. @return batches delivered; *rc is the result */
static int run_epoch(int *rc, loader *l, uint32_t epoch) {
    int batches = 0;
    batch *b = NULL;
    assert_ok(loader_start(l, epoch, 0));
    while ((*rc = loader_next(&b, l)) == 0 && b != NULL) {
        loader_release(l, b);
        batches++;
    }
    return batches;
}

static void test_replaced_in_training(void **state) {
    (void)state;
    static const int bad[] = {0, 7, 8, 9, 20, 46};
    for (int i = 0; i < 6; i++)
        fake_mark(data, bad[i], "bad");
    for (int i = 30; i < 36; i++) /* the draws decide whether they are readable; worker timing must have no effect */
        fake_mark(data, i, "half");
    for (int workers = 1; workers <= 5; workers += 2) {
        loader *l = NULL;
        const bad_image *list = NULL;
        loader_options o = fake_options(4, workers, 5);
        assert_ok(loader_open(&l, data, &o));
        for (uint32_t epoch = 0; epoch < 30; epoch++)
            check_epoch(l, data, &o, epoch, epoch % 3);
        assert_int_equal(loader_bad(&list, l), 12);
        for (int i = 0; i < 6; i++)
            assert_int_equal(list[i < 5 ? i : 11].index, bad[i]);
        for (int i = 0; i < 11; i++)
            assert_true(list[i].index < list[i + 1].index);
        assert_non_null(strstr(list[1].message, "a/007.jpg: corrupt"));
        loader_close(l);
    }
}

static void test_omitted_in_validation(void **state) {
    (void)state;
    static const int bad[] = {0, 7, 8, 12, 13, 14, 15, 46}; /* 12..15 are all images of a batch */
    for (int i = 0; i < 8; i++)
        fake_mark(data, bad[i], "bad");
    for (int workers = 1; workers <= 4; workers++) {
        loader *l = NULL;
        const bad_image *list = NULL;
        loader_options o = fake_options(4, workers, 3);
        o.transform.training = o.shuffle = false;
        assert_ok(loader_open(&l, data, &o));
        for (uint32_t epoch = 0; epoch < 5; epoch++)
            assert_int_equal(check_epoch(l, data, &o, epoch, 0), 11);
        assert_int_equal(loader_bad(&list, l), 8);
        loader_close(l);
    }
}

/** max_bad must stop the run at the same batch, with the same message, independent of timing. */
static void test_max_bad(void **state) {
    (void)state;
    char message[1024] = "";
    int64_t met[11] = {0};
    int delivered = -1;
    for (int i = 0; i < 47; i += 2)
        fake_mark(data, i, "bad");
    for (int run = 0; run < 8; run++) {
        loader *l = NULL;
        int rc = 0;
        batch *b = NULL;
        loader_options o = fake_options(16, 1 + run % 5, 2 + run);
        o.max_bad = 10.0 / 47;
        decode_us = run % 2 * 200;
        assert_ok(loader_open(&l, data, &o));
        int batches = run_epoch(&rc, l, 2);
        assert_int_equal(rc, E_DATA);
        if (run == 0) {
            delivered = batches;
            snprintf(message, sizeof message, "%s", status_message());
            assert_non_null(strstr(message, "11 of the 47 images"));
            assert_non_null(strstr(message, ".jpg: corrupt"));
            assert_non_null(strstr(message, "data.max_bad"));
            assert_non_null(strstr(message, "linnet audit"));
        }
        assert_int_equal(batches, delivered);
        assert_string_equal(status_message(), message);
        const bad_image *list = NULL;
        assert_int_equal(loader_bad(&list, l), 11);
        for (int i = 0; i < 11; i++) {
            met[i] = run == 0 ? list[i].index : met[i];
            assert_int_equal(list[i].index, met[i]);
        }
        assert_fails(E_DATA, message, loader_next(&b, l)); /* and so do later calls */
        assert_int_equal(run_epoch(&rc, l, 3), 0);
        assert_int_equal(rc, E_DATA);
        loader_close(l);
    }
    assert_true(delivered > 0);
    loader *l = NULL;
    int rc = 0;
    loader_options o = fake_options(4, 3, 3);
    o.max_bad = 24.0 / 47; /* exactly the number of bad images: allowed */
    assert_ok(loader_open(&l, data, &o));
    assert_int_equal(run_epoch(&rc, l, 2), 12);
    assert_int_equal(rc, OK);
    loader_close(l);
}

/** The search for a replacement ends as soon as there are more than max_bad bad images. */
static void test_search_is_bounded(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++)
        fake_mark(data, i, "bad");
    loader *l = NULL;
    int rc = 0;
    loader_options o = fake_options(4, 1, 2);
    o.max_bad = 0;
    assert_ok(loader_open(&l, data, &o));
    decode_count = 0;
    run_epoch(&rc, l, 0);
    assert_int_equal(rc, E_DATA);
    assert_non_null(strstr(status_message(), "1 of the 47 images"));
    loader_close(l);
    assert_true(decode_count <= 47); /* one decode per position */
}

static void test_all_bad(void **state) {
    (void)state;
    for (int i = 0; i < 47; i++)
        fake_mark(data, i, "bad");
    for (int training = 0; training < 2; training++) {
        loader *l = NULL;
        int rc = 0;
        loader_options o = fake_options(4, 3, 4);
        o.transform.training = training;
        assert_ok(loader_open(&l, data, &o));
        assert_int_equal(run_epoch(&rc, l, 0), 0);
        assert_int_equal(rc, E_DATA);
        assert_non_null(strstr(status_message(), "none of the 47 images"));
        loader_close(l);
    }
}

static void test_odd_files(void **state) {
    (void)state;
    char path[PATH_BYTES];
    assert_ok(dataset_path(path, data, 1)); /* deleted */
    assert_int_equal(unlink(path), 0);
    assert_ok(dataset_path(path, data, 2)); /* now a folder */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_ok(dataset_path(path, data, 3)); /* now a pipe without a writer: opening it must not hang */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_ok(dataset_path(path, data, 4)); /* a link to itself */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(path, path), 0);
    assert_ok(dataset_path(path, data, 5)); /* empty */
    assert_int_equal(truncate(path, 0), 0);
    assert_ok(dataset_path(path, data, 6)); /* over the limit */
    assert_int_equal(truncate(path, 5000), 0);
    for (int i = 1; i <= 6; i++)
        snprintf(fake_word[i], sizeof fake_word[i], "bad");
    loader *l = NULL;
    const bad_image *list = NULL;
    loader_options o = fake_options(4, 2, 3);
    o.limits.max_file_bytes = 4000;
    assert_ok(loader_open(&l, data, &o));
    check_epoch(l, data, &o, 0, 0);
    assert_int_equal(loader_bad(&list, l), 6);
    static const char *const causes[] = {"No such file",
                                         "not a regular file",
                                         "not a regular file",
                                         "levels of symbolic links",
                                         "empty",
                                         "file of 5000 bytes, more than the limit of 4000 bytes"};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(list[i].index, i + 1);
        assert_non_null(strstr(list[i].message, causes[i]));
        assert_non_null(strstr(list[i].message, dataset_name(data, i + 1)));
    }
    loader_close(l);
}

/** An error of the system stops the loader and does not mark an image as bad. */
static void test_environment(void **state) {
    (void)state;
    loader *l = NULL;
    int rc = 0;
    batch *b = NULL;
    loader_options o = fake_options(4, 3, 3);
    struct rlimit before, none;
    assert_ok(loader_open(&l, data, &o));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(run_epoch(&rc, l, 0), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, E_IO);
    assert_non_null(strstr(status_message(), "Too many open files"));
    assert_fails(E_IO, "Too many open files", loader_next(&b, l));
    check_epoch(l, data, &o, 0, 0); /* the next start retries it */

    fake_mark(data, 10, "memory");
    uint32_t order[47];
    sampler_epoch(order, 47, SEED, 1, true);
    int place = 0;
    while (order[place] != 10)
        place++;
    assert_int_equal(run_epoch(&rc, l, 1), place / 4); /* batches before it are delivered */
    assert_int_equal(rc, E_NOMEM);
    assert_non_null(strstr(status_message(), "010.jpg: no memory left"));
    assert_int_equal(loader_bad(&(const bad_image *){NULL}, l), 0);
    loader_close(l);
}

static void test_declared(void **state) {
    (void)state;
    loader *l = NULL;
    const bad_image *list = NULL;
    loader_options o = fake_options(4, 3, 3);
    fake_mark(data, 20, "bad");
    assert_ok(loader_open(&l, data, &o));
    assert_ok(loader_set_bad(l, (const int64_t[]){20, 40, 3}, 3));
    assert_ok(loader_set_bad(l, (const int64_t[]){40}, 1));
    assert_int_equal(loader_bad(&list, l), 3);
    assert_int_equal(list[0].index, 3);
    assert_non_null(strstr(list[1].message, "earlier run"));
    check_epoch(l, data, &o, 0, 0);
    assert_int_equal(loader_bad(&list, l), 3);
    assert_non_null(strstr(list[1].message, "020.jpg: corrupt")); /* found again, now with its cause */
    assert_non_null(strstr(list[2].message, "earlier run"));
    assert_fails(E_DATA, "image 47", loader_set_bad(l, (const int64_t[]){47}, 1));
    loader_close(l);

    o.max_bad = 2.0 / 47; /* declared images are counted too */
    int rc = 0;
    assert_ok(loader_open(&l, data, &o));
    assert_ok(loader_set_bad(l, (const int64_t[]){20, 40, 3}, 3));
    assert_int_equal(run_epoch(&rc, l, 0), 0);
    assert_int_equal(rc, E_DATA);
    loader_close(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replaced_in_training, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_omitted_in_validation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_max_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_search_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_odd_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_declared, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
