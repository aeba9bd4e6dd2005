/* The demo dataset: complete, identical for the same seed, readable, and its classes cannot be recognised by colour. */
#include "root.h"

#include "base/file.h"
#include "dataset/dataset.h"
#include "tools/demo_dataset.h"
#include "tools/demo_dataset_draw.h"

#include <signal.h>
#include <sys/resource.h>

static void write_shapes(char folder[PATH_BYTES], const char *name, int train_n, int val_n, int size, uint64_t seed) {
    demo_dataset_options o = {.train_n = train_n, .val_n = val_n, .size = size, .seed = seed};
    assert_ok(path_join(folder, root, name));
    assert_ok(demo_dataset_write(folder, &o));
}

static bool same_file(const char *a, const char *b, const char *name) {
    unsigned char *x = NULL, *y = NULL;
    size_t x_n = 0, y_n = 0;
    char path[PATH_BYTES];
    assert_ok(path_join(path, a, name));
    assert_ok(file_read(&x, &x_n, path, 0));
    assert_ok(path_join(path, b, name));
    assert_ok(file_read(&y, &y_n, path, 0));
    assert_true(x_n > 500 && x[0] == 0xFF && x[1] == 0xD8);
    bool same = x_n == y_n && memcmp(x, y, x_n) == 0;
    free(x);
    free(y);
    return same;
}

static void test_files(void **state) {
    (void)state;
    char a[PATH_BYTES], b[PATH_BYTES], c[PATH_BYTES];
    dataset *train = NULL, *val = NULL;
    write_shapes(a, "a", 3, 2, 32, 7);
    write_shapes(b, "b", 2, 2, 32, 7); /* fewer images: they are the same */
    write_shapes(c, "c", 2, 2, 32, 8);
    assert_ok(dataset_open(&train, a, "train"));
    assert_ok(dataset_open(&val, a, "val"));
    assert_int_equal(train->class_n, val->class_n);
    for (int k = 0; k < train->class_n; k++)
        assert_string_equal(train->class_name[k], val->class_name[k]);
    assert_int_equal(train->class_n, DEMO_DATASET_CLASSES);
    assert_int_equal(train->image_n, 30);
    assert_int_equal(val->image_n, 20);
    assert_string_equal(dataset_name(train, 5), "circle/0002.jpg");
    for (int i = 0; i < DEMO_DATASET_CLASSES; i++)
        assert_string_equal(train->class_name[i], demo_dataset_class[i]); /* the table is in byte order */
    dataset_close(train);
    dataset_close(val);
    assert_ok(dataset_open(&train, b, "train"));
    for (int i = 0; i < train->image_n; i++) {
        char name[PATH_BYTES];
        assert_ok(path_join(name, "train", dataset_name(train, i)));
        assert_true(same_file(a, b, name));
        assert_false(same_file(a, c, name));
    }
    dataset_close(train);
    char train_folder[PATH_BYTES], val_folder[PATH_BYTES]; /* the splits do not share images */
    assert_ok(path_join(train_folder, a, "train"));
    assert_ok(path_join(val_folder, a, "val"));
    assert_false(same_file(train_folder, val_folder, "ring/0000.jpg"));
}

/** The mean colour histogram of images of a class, with 8 bins per channel. */
static void histogram(double bins[24], int kind, uint64_t first, int n) {
    static uint8_t pixels[32 * 40 * 3];
    static float scratch[32 * 40 * 3];
    memset(bins, 0, 24 * sizeof *bins);
    for (int i = 0; i < n; i++) {
        random_stream r = random_open(3, 0, first + (uint64_t)i, RANDOM_TEST);
        demo_dataset_draw(pixels, scratch, 40, 32, kind, &r);
        for (int p = 0; p < 32 * 40 * 3; p++)
            bins[p % 3 * 8 + pixels[p] / 32] += 1.0 / (32 * 40 * n);
    }
}

/** Classes must differ only in shape: their mean histograms are nearly equal. */
static void test_classes_have_equal_colours(void **state) {
    (void)state;
    double all[24] = {0}, bins[DEMO_DATASET_CLASSES][24];
    for (int k = 0; k < DEMO_DATASET_CLASSES; k++) {
        histogram(bins[k], k, 0, 300);
        for (int i = 0; i < 24; i++)
            all[i] += bins[k][i] / DEMO_DATASET_CLASSES;
    }
    for (int k = 0; k < DEMO_DATASET_CLASSES; k++)
        for (int i = 0; i < 24; i++)
            assert_true(fabs(bins[k][i] - all[i]) < 0.03);
}

/** Every class has its own shape: the same draws give different pixels in a large part of the image. */
static void test_classes_differ(void **state) {
    (void)state;
    static uint8_t pixels[DEMO_DATASET_CLASSES][48 * 48 * 3];
    static float scratch[48 * 48 * 3];
    for (uint64_t i = 0; i < 5; i++) {
        for (int k = 0; k < DEMO_DATASET_CLASSES; k++) {
            random_stream r = random_open(3, 0, i, RANDOM_TEST);
            demo_dataset_draw(pixels[k], scratch, 48, 48, k, &r);
        }
        for (int a = 0; a < DEMO_DATASET_CLASSES; a++) {
            for (int b = 0; b < a; b++) {
                int differ = 0;
                for (int p = 0; p < 48 * 48; p++)
                    differ += abs(pixels[a][3 * p + 1] - pixels[b][3 * p + 1]) > 60 ||
                              abs(pixels[a][3 * p] - pixels[b][3 * p]) > 60 ||
                              abs(pixels[a][3 * p + 2] - pixels[b][3 * p + 2]) > 60;
                if (differ < 40)
                    fail_msg("%s and %s differ in %d pixels", demo_dataset_class[a], demo_dataset_class[b], differ);
            }
        }
    }
}

static void test_failures(void **state) {
    (void)state;
    char path[PATH_BYTES];
    demo_dataset_options o = {.train_n = 1, .val_n = 1, .size = 32, .seed = 1};
    assert_ok(path_join(path, root, "file"));
    assert_ok(file_write_atomic(path, "x", 1));
    assert_fails(E_IO, "file", demo_dataset_write(path, &o)); /* a file has the name of the folder */
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100;
    signal(SIGXFSZ, SIG_IGN);
    assert_ok(path_join(path, root, "small"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = demo_dataset_write(path, &o);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, E_IO);
    assert_non_null(strstr(status_message(), "train/checkerboard/0000.jpg"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, root_set_up, root_tear_down),
        cmocka_unit_test(test_classes_have_equal_colours),
        cmocka_unit_test(test_classes_differ),
        cmocka_unit_test_setup_teardown(test_failures, root_set_up, root_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
