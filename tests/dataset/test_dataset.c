/* The ImageFolder index: order, suffixes, links, messages, size. tests/interop/test_imagefolder.py compares it with
 * torchvision's. */
#include "dataset/make_file.h"

#include "base/file.h"
#include "base/log.h"
#include "dataset/dataset.h"
#include "dataset/image_list.h"
#include "dataset/splits/dataset_checks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[256];
static int warnings;

static void count_warning(void *context, log_level level, const char *line) {
    (void)context;
    (void)line;
    warnings += level == LOG_WARN;
}

static int set_up(void **state) {
    (void)state;
    make_temporary_folder(root);
    warnings = 0;
    log_set_sink(count_warning, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    remove_folder(root);
    return 0;
}

static void make(const char *name) { make_file(root, name); }

static void make_link(const char *name, const char *target) {
    char path[PATH_BYTES];
    assert_ok(path_join(path, root, name));
    assert_int_equal(symlink(target, path), 0);
}

static void check_names(const dataset *d, const char *const *names, int64_t n) {
    assert_int_equal(d->image_n, n);
    for (int64_t i = 0; i < n; i++)
        assert_string_equal(dataset_name(d, i), names[i]);
}

static void test_order(void **state) {
    (void)state;
    static const char *const files[] = {
        "train/b/2.jpg",      "train/b/10.jpg",       "train/b/B.JPEG",          "train/b/z.PnG",
        "train/b/sub/a.webp", "train/b/sub-x/c.tif",  "train/b/sub/deep/y.tiff", "train/B/1.ppm",
        "train/B/1.pgm",      "train/B/.bmp",         "train/B/note.txt",        "train/B/jpg",
        "train/B/a.jpg.gz",   "train/\xC3\xA9/x.bmp", "train/file.jpg"};
    /* folders in byte order of their path ('-' before '/'), then the names in each: this differs from the order of full
     * paths */
    static const char *const expected[] = {"B/.bmp",        "B/1.pgm",           "B/1.ppm",       "b/10.jpg",
                                           "b/2.jpg",       "b/B.JPEG",          "b/z.PnG",       "b/sub/a.webp",
                                           "b/sub-x/c.tif", "b/sub/deep/y.tiff", "\xC3\xA9/x.bmp"};
    dataset *d = NULL;
    char path[PATH_BYTES], wanted[PATH_BYTES];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        make(files[i]);
    assert_ok(dataset_open(&d, root, "train"));
    check_names(d, expected, 11);
    assert_int_equal(d->class_n, 3);
    assert_string_equal(d->class_name[0], "B");
    assert_string_equal(d->class_name[1], "b");
    assert_string_equal(d->class_name[2], "\xC3\xA9");
    assert_int_equal(d->class_image_n[0], 3);
    assert_int_equal(d->class_image_n[1], 7);
    assert_int_equal(d->class_image_n[2], 1);
    for (int i = 0; i < 11; i++)
        assert_int_equal(d->label[i], i < 3 ? 0 : i < 10 ? 1 : 2);
    assert_ok(dataset_path(path, d, 4));
    assert_ok(path_format(wanted, "%s/train/b/2.jpg", root));
    assert_string_equal(path, wanted);
    dataset_close(d);
    assert_ok(path_join(path, root, "train/"));
    assert_ok(dataset_open(&d, path, NULL)); /* the folder itself */
    assert_int_equal(d->image_n, 11);
    dataset_close(d);
    dataset_close(NULL);
}

static void test_links(void **state) {
    (void)state;
    dataset *d = NULL;
    make("train/a/1.jpg");
    make("elsewhere/2.jpg");
    make("elsewhere/in/3.jpg");
    make_link("train/b", "../elsewhere");         /* a class */
    make_link("train/a/more", "../../elsewhere"); /* a folder in a class */
    make_link("train/a/0.jpg", "../../elsewhere/2.jpg");
    make_link("train/a/9.jpg", "nowhere"); /* broken: an image that the loader will report as bad */
    make_link("train/a/folder.jpg", "../../elsewhere/in");
    make_link("train/nothing", "nowhere"); /* broken: no class */
    static const char *const names[] = {"a/0.jpg",      "a/1.jpg",         "a/9.jpg", "a/folder.jpg/3.jpg",
                                        "a/more/2.jpg", "a/more/in/3.jpg", "b/2.jpg", "b/in/3.jpg"};
    assert_ok(dataset_open(&d, root, "train"));
    check_names(d, names, 8);
    assert_int_equal(warnings, 0);
    dataset_close(d);
}

static void test_loops(void **state) {
    (void)state;
    dataset *d = NULL;
    make("train/a/1.jpg");
    make("train/b/2.jpg");
    make("train/b/in/3.jpg");
    make_link("train/a/loop", ".");
    make_link("train/b/in/up", "..");
    make_link("train/b/in/other", "../../a");
    make_link("train/a/other", "../b");
    static const char *const names[] = {"a/1.jpg", "a/other/2.jpg", "a/other/in/3.jpg",
                                        "b/2.jpg", "b/in/3.jpg",    "b/in/other/1.jpg"};
    assert_ok(dataset_open(&d, root, "train"));
    check_names(d, names, 6);
    assert_true(warnings >= 4);
    dataset_close(d);
    for (int i = 0; i < 12; i++) { /* every folder links to every other, so the walk must detect loops */
        char name[64], target[64];
        snprintf(name, sizeof name, "web/%c/x.jpg", 'a' + i);
        make(name);
        for (int k = 0; k < 12; k++) {
            snprintf(name, sizeof name, "web/%c/%c", 'a' + i, 'a' + k);
            snprintf(target, sizeof target, "../%c", 'a' + k);
            make_link(name, target);
        }
    }
    assert_fails(E_DATA, "symbolic links to a parent folder", dataset_open(&d, root, "web"));
}

static void test_messages(void **state) {
    (void)state;
    dataset *d = NULL;
    char path[PATH_BYTES];
    assert_ok(path_join(path, root, "nowhere"));
    assert_fails(E_NOTFOUND, "nowhere does not exist", dataset_open(&d, path, "train"));
    assert_fails(E_NOTFOUND, "train does not exist: expected the layout", dataset_open(&d, root, "train"));
    make("train/");
    assert_fails(E_DATA, "no class folders", dataset_open(&d, root, "train"));
    make("train/1.jpg");
    assert_fails(E_DATA, "only images", dataset_open(&d, root, "train"));
    make("train/b/1.jpg");
    make("train/a/note.txt");
    assert_fails(E_DATA, "train/a has no images", dataset_open(&d, root, "train"));
    make("train/c/");
    assert_fails(E_DATA, "train/a (and 1 other", dataset_open(&d, root, "train"));
    make("val");
    assert_fails(E_NOTFOUND, "val is not a folder", dataset_open(&d, root, "val"));
    if (geteuid() != 0) {
        make("train/a/1.jpg");
        make("train/c/1.jpg");
        make("train/c/locked/1.jpg");
        assert_ok(path_join(path, root, "train/c/locked"));
        assert_int_equal(chmod(path, 0), 0);
        assert_fails(E_IO, "c/locked: Permission denied", dataset_open(&d, root, "train"));
        assert_int_equal(chmod(path, 0777), 0);
    }
    assert_null(d);
}

static void test_use_classes(void **state) {
    (void)state;
    dataset *train = NULL, *val = NULL;
    make("train/a/1.jpg");
    make("train/b/1.jpg");
    make("train/c/1.jpg");
    make("train/d/1.jpg");
    make("val/a/1.jpg");
    make("val/b/1.jfif"); /* not read */
    make("val/d/1.jpg");
    make("val/d/2.jpg");
    assert_ok(dataset_open(&train, root, "train"));
    assert_ok(dataset_open(&val, root, "val"));
    assert_ok(dataset_use_classes(val, train->class_name, train->class_n, train->root));
    assert_int_equal(val->class_n, 4);
    for (int c = 0; c < 4; c++) {
        assert_string_equal(val->class_name[c], train->class_name[c]);
        assert_int_equal(val->class_image_n[c], "1002"[c] - '0');
    }
    assert_int_equal(val->image_n, 3);
    assert_int_equal(val->label[0], 0);
    assert_int_equal(val->label[2], 3);
    assert_int_equal(val->passed_n, 1);
    assert_string_equal(val->class_passed[1], "1 .jfif");
    dataset_close(val);
    make("val/e/1.jpg");
    make("val/0/1.jpg");
    assert_ok(dataset_open(&val, root, "val"));
    assert_fails(E_DATA, "has 2 classes that ", dataset_use_classes(val, train->class_name, 4, train->root));
    assert_fails(E_DATA, "does not have: 0, e.", dataset_use_classes(val, train->class_name, 4, train->root));
    dataset_close(val);
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "val/x%d/1.jpg", i);
        make(name);
    }
    assert_ok(dataset_open(&val, root, "val"));
    assert_fails(E_DATA, "0, e, x0, x1, x2, ...", dataset_use_classes(val, train->class_name, 4, train->root));
    dataset_close(train);
    dataset_close(val);
}

/** Files that are not read are counted by suffix, in lower case. */
static void test_ignored_files(void **state) {
    (void)state;
    dataset *d = NULL;
    make("train/a/1.jpg");
    make("train/a/2.JFIF");
    make("train/a/3.jfif");
    make("train/a/in/IMG_4");
    make("train/a/note.txt"); /* counted only in a class without images */
    make("train/a/.hidden");
    make("train/5.gif"); /* in no class */
    assert_ok(dataset_open(&d, root, "train"));
    assert_int_equal(d->passed_n, 3);
    assert_string_equal(d->passed, "2 .jfif, 1 without a suffix");
    dataset_close(d);
    make("train/b/1.heic");
    make("train/b/2.heic");
    make("train/b/note.txt");
    assert_fails(E_DATA, "b has no images", dataset_open(&d, root, "train"));
    assert_fails(E_DATA, "but other files (2 .heic, 1 .txt): rename or convert these files",
                 dataset_open(&d, root, "train"));
}

/** The class folders are one level too deep. */
static void test_single_class(void **state) {
    (void)state;
    dataset *d = NULL;
    text t = {0};
    make("train/images/cat/1.jpg");
    make("train/images/dog/1.jpg");
    make("train/images/dog/2.jpg");
    assert_ok(dataset_open(&d, root, "train"));
    assert_ok(dataset_single_class(&t, d));
    assert_non_null(strstr(text_string(&t), "only one class, 'images'"));
    assert_non_null(strstr(text_string(&t), "2 folders with images (cat, dog)"));
    dataset_close(d);
    make("train/other/1.jpg");
    assert_ok(dataset_open(&d, root, "train"));
    assert_ok(dataset_single_class(&t, d));
    assert_int_equal(t.n, 0);
    dataset_close(d);
    text_deinit(&t);
}

static void write_file(const char *name, const char *content) {
    char path[PATH_BYTES];
    make(name);
    assert_ok(path_join(path, root, name));
    assert_ok(file_write_atomic(path, content, strlen(content)));
}

static void test_overlap(void **state) {
    (void)state;
    dataset *train = NULL, *val = NULL;
    dataset_overlap o;
    write_file("train/a/1.jpg", "1");
    write_file("train/a/2.jpg", "2");
    write_file("train/b/1.jpg", "3");
    write_file("val/a/1.jpg", "x"); /* the same name, but other bytes */
    write_file("val/b/1.jpg", "3");
    write_file("val/b/2.jpg", "2"); /* the same bytes, but another name: linnet audit finds these */
    assert_ok(dataset_open(&train, root, "train"));
    assert_ok(dataset_open(&val, root, "val"));
    assert_ok(dataset_find_overlap(&o, train, val));
    assert_int_equal(o.sampled, 3);
    assert_int_equal(o.same, 1);
    assert_int_equal(o.index, 1);
    dataset_close(train);
    dataset_close(val);
}

static void test_long_paths(void **state) {
    (void)state;
    dataset *d = NULL;
    char name[256], path[PATH_BYTES];
    memset(name, 'n', 250);
    name[250] = 0;
    make("train/a/1.jpg");
    assert_ok(path_join(path, root, "train/a"));
    int at = open(path, O_DIRECTORY);
    for (int i = 0; i < 17; i++) { /* longer than PATH_BYTES, so created step by step */
        assert_int_equal(mkdirat(at, name, 0777), 0);
        int next = openat(at, name, O_DIRECTORY);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    close(at);
    assert_fails(E_IO, "path too long", dataset_open(&d, root, "train"));
}

/** 40,000 files are indexed without a stat per file, because 1.28 million must take only seconds. */
static void test_many(void **state) {
    (void)state;
    dataset *d = NULL;
    char path[PATH_BYTES], name[32];
    make("train/a/");
    make("train/b/");
    for (int c = 0; c < 2; c++) {
        assert_ok(path_format(path, "%s/train/%c", root, "ab"[c]));
        int at = open(path, O_DIRECTORY);
        for (int i = 0; i < 20000; i++) {
            snprintf(name, sizeof name, "n%08d.JPEG", (i * 7919) % 20000);
            int fd = openat(at, name, O_WRONLY | O_CREAT, 0666);
            assert_true(fd >= 0);
            close(fd);
        }
        close(at);
    }
    double begin = clock_seconds();
    assert_ok(dataset_open(&d, root, "train"));
    double seconds = clock_seconds() - begin;
    print_message("40,000 files in %.3f s\n", seconds);
    assert_true(seconds < 2);
    assert_int_equal(d->image_n, 40000);
    for (int i = 0; i < 40000; i++) {
        snprintf(name, sizeof name, "%c/n%08d.JPEG", "ab"[i / 20000], i % 20000);
        assert_string_equal(dataset_name(d, i), name);
    }
    dataset_close(d);
}

/** Nested folders with two links each: 2^30 paths to the last one. The walk ends with a message. */
static void test_diamonds(void **state) {
    (void)state;
    dataset *d = NULL;
    text list = {0};
    char link[64], target[64], path[PATH_BYTES];
    for (int i = 0; i < 30; i++)
        for (int k = 0; k < 2; k++) {
            snprintf(link, sizeof link, "d%02d/", i + 1);
            make(link);
            snprintf(link, sizeof link, "d%02d/", i);
            make(link);
            snprintf(link, sizeof link, "d%02d/%c", i, 'l' + k);
            snprintf(target, sizeof target, "../d%02d", i + 1);
            make_link(link, target);
        }
    make("d30/1.jpg");
    make("train/a/");
    make_link("train/a/start", "../../d00");
    alarm(200);
    assert_fails(E_DATA, "links", dataset_open(&d, root, "train"));
    assert_ok(path_join(path, root, "d00"));
    assert_fails(E_DATA, "links", image_list_add(&list, path));
    alarm(0);
    text_deinit(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_loops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_diamonds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_use_classes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ignored_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_single_class, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overlap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
