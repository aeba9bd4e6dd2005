/* The layouts of a dataset: names of the validation folder, nested folders, class folders without train, a part of the
 * training images for validation, and files of operating systems. */
#include "dataset/make_file.h"

#include "base/file.h"
#include "base/log.h"
#include "dataset/clutter.h"
#include "dataset/dataset.h"
#include "dataset/image_list.h"
#include "dataset/layout.h"
#include "dataset/splits/splits.h"

#include <fcntl.h>
#include <unistd.h>

static char root[256], lines[4096];

static void keep_line(void *context, log_level level, const char *line) {
    (void)context;
    if (level != LOG_DEBUG)
        snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "%s\n", line);
}

static int set_up(void **state) {
    (void)state;
    make_temporary_folder(root);
    lines[0] = 0;
    log_set_sink(keep_line, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    remove_folder(root);
    return 0;
}

static void make(const char *name) { make_file(root, name); }

static void make_images(const char *folder, int n) {
    for (int i = 0; i < n; i++) {
        char name[PATH_BYTES];
        snprintf(name, sizeof name, "%s/%03d.jpg", folder, i);
        make(name);
    }
}

static const splits_request both = {.path = root, .list = "", .class_list = "", .train = true, .val = true};

static void assert_line(const char *part) {
    if (strstr(lines, part) == NULL)
        fail_msg("'%s' lacks '%s'", lines, part);
}

/** What macOS, Windows, Jupyter and NAS systems leave is neither class nor image, and is named in one line. */
static void test_clutter(void **state) {
    (void)state;
    dataset *d = NULL;
    char text_room[CLUTTER_TEXT];
    clutter c = {0};
    static const char *const files[] = {"train/__MACOSX/cat/._1.jpg",
                                        "train/.ipynb_checkpoints/a.jpg",
                                        "train/@eaDir/1.jpg",
                                        "train/.git/x.jpg",
                                        "train/lost+found/",
                                        "train/$RECYCLE.BIN/1.jpg",
                                        "train/cat/._1.jpg",
                                        "train/cat/.DS_Store",
                                        "train/cat/Thumbs.db",
                                        "train/cat/1.jpg",
                                        "train/.DS_Store",
                                        "train/cat/.ipynb_checkpoints/1-checkpoint.jpg",
                                        "train/dog/.ipynb/1.jpg"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        make(files[i]);
    assert_ok(dataset_open(&d, root, "train"));
    assert_int_equal(d->class_n, 2);
    assert_int_equal(d->image_n, 2);
    assert_string_equal(dataset_name(d, 0), "cat/1.jpg");
    assert_string_equal(dataset_name(d, 1), "dog/.ipynb/1.jpg");
    assert_line(
        "ignored because they are neither classes nor images: 1 __MACOSX, 2 .ipynb_checkpoints, 1 @eaDir, 1 .git, "
        "1 lost+found, 1 $RECYCLE.BIN, 1 ._*, 2 .DS_Store, 1 Thumbs.db\n");
    dataset_close(d);
    text list = {0};
    assert_ok(image_list_add(&list, root));
    assert_null(strstr(text_string(&list), "MACOSX"));
    assert_null(strstr(text_string(&list), "._1"));
    assert_non_null(strstr(text_string(&list), "cat/1.jpg"));
    text_deinit(&list);
    assert_true(clutter_is_folder("lost+found") && !clutter_is_folder("lost") && clutter_is_folder(".Trash-1000"));
    assert_true(clutter_is_file("THUMBS.DB") && !clutter_is_file("__MACOSX") && !clutter_is_folder("._x"));
    assert_string_equal(clutter_text(text_room, &c), "");
}

/** val, validation, valid, test: the first that exists. */
static void test_val_names(void **state) {
    (void)state;
    static const char *const names[] = {"test", "valid", "validation", "val"};
    char name[64];
    make("train/a/1.jpg");
    make("test/1.jpg"); /* no labels */
    dataset *train = NULL, *val = NULL;
    assert_fails(E_NOTFOUND, "has no validation images: add a folder val (or validation, valid, test) with CLASS/*.jpg",
                 splits_open(&train, &val, &both));
    assert_fails(E_NOTFOUND, "or pass --data.val_split 0.1", splits_open(&train, &val, &both));
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s/a/1.jpg", names[i]);
        make(name);
        lines[0] = 0;
        assert_ok(splits_open(&train, &val, &both));
        snprintf(name, sizeof name, "/%s", names[i]);
        assert_non_null(strstr(val->root, name));
        assert_string_equal(strrchr(val->root, '/'), name);
        if (i < 3) {
            snprintf(name, sizeof name, "/%s\n", names[i]);
            assert_line("dataset: training images from ");
            assert_line(name);
        } else {
            assert_string_equal(lines, "");
        }
        dataset_close(train);
        dataset_close(val);
    }
}

/** Folders whose names contain a word for a split. */
static void test_words(void **state) {
    (void)state;
    static const struct {
        const char *train, *val;
    } names[] = {{"Training", "Testing"},
                 {"Train", "Val"},
                 {"training_set", "test_set"},
                 {"seg_train/seg_train", "seg_test/seg_test"},
                 {"train images", "validation images"},
                 {"TRAIN", "valid"},
                 {"train/train", "test/test"},
                 {"my-data.train", "my-data.val"}};
    char name[PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        dataset *train = NULL, *val = NULL;
        for (int k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "set%zu/%s/class%d/1.jpg", i, k < 2 ? names[i].train : names[i].val, k % 2);
            make(name);
        }
        snprintf(name, sizeof name, "%s/set%zu", root, i);
        splits_request q = both;
        q.path = name;
        lines[0] = 0;
        assert_ok(splits_open(&train, &val, &q));
        assert_int_equal(train->class_n, 2);
        assert_int_equal(val->image_n, 2);
        assert_string_equal(train->root + strlen(train->root) - strlen(names[i].train), names[i].train);
        assert_string_equal(val->root + strlen(val->root) - strlen(names[i].val), names[i].val);
        assert_line("dataset: training images from ");
        dataset_close(train);
        dataset_close(val);
    }
}

/** Such words in the names of classes, in two folders, or twice in a name do not count. */
static void test_no_words(void **state) {
    (void)state;
    char path[PATH_BYTES];
    make("classes/train_station/1.jpg");
    make("classes/test tube/1.jpg");
    make("two/train_a/x/1.jpg");
    make("two/train_b/x/1.jpg");
    make("both/train_test/x/1.jpg");
    make("word/train_masks/x/1.jpg");
    make("word/Train/x/1.jpg");
    make("word/train_old/x/1.jpg");
    assert_ok(path_join(path, root, "word"));
    char found[PATH_BYTES];
    assert_ok(layout_folder(found, path, "train"));
    assert_string_equal(path_name(found), "Train");
    static const char *const roots[] = {"classes", "two", "both"};
    for (int i = 0; i < 3; i++) {
        char folder[PATH_BYTES];
        assert_ok(path_join(folder, root, roots[i]));
        assert_ok(layout_folder(path, folder, "train"));
        assert_string_equal(path_name(path), "train");
        assert_false(folder_exists(path));
        assert_ok(layout_folder(path, folder, "val"));
        assert_string_equal(path_name(path), "val");
    }
    make("one/train/train_station/1.jpg"); /* a class that is alone */
    assert_ok(path_join(path, root, "one"));
    char out[PATH_BYTES];
    assert_ok(layout_folder(out, path, "train"));
    assert_string_equal(path_name(out), "train");
}

static void test_nested(void **state) {
    (void)state;
    dataset *train = NULL, *val = NULL;
    make("archive/dataset/train/a/1.jpg");
    make("archive/dataset/valid/a/1.jpg");
    make("__MACOSX/archive/dataset/train/a/._1.jpg");
    make("archive/notes/readme.txt");
    assert_ok(splits_open(&train, &val, &both));
    assert_non_null(strstr(train->root, "/archive/dataset/train"));
    assert_non_null(strstr(val->root, "/archive/dataset/valid"));
    assert_line("/archive/dataset/train, validation images from ");
    dataset_close(train);
    dataset_close(val);
    make("other/train/a/1.jpg");
    assert_fails(E_DATA, "contains 2 datasets: ", splits_open(&train, &val, &both));
    assert_fails(E_DATA, "/archive/dataset, ", splits_open(&train, &val, &both));
    assert_fails(E_DATA, "/other. Pass the folder of one of them (--data)", splits_open(&train, &val, &both));
}

static void test_depth(void **state) {
    (void)state;
    layout l;
    make("1/2/3/4/train/a/1.jpg");
    assert_ok(layout_find(&l, root, true));
    assert_false(l.has_train || l.is_below);
    assert_string_equal(l.root, root);
    make("1/2/three/train/a/1.jpg");
    assert_ok(layout_find(&l, root, true));
    assert_true(l.has_train && l.is_below && !l.is_flat && !l.has_val);
    assert_non_null(strstr(l.root, "/1/2/three"));
}

/** Class folders without train: only with val_split. */
static void test_flat(void **state) {
    (void)state;
    dataset *train = NULL, *val = NULL;
    splits_request q = both;
    make_images("PetImages/Cat", 10);
    make_images("PetImages/Dog", 10);
    assert_fails(E_NOTFOUND, "PetImages has class folders, but no folders train and val: pass --data.val_split 0.1",
                 splits_open(&train, &val, &q));
    q.val_split = 0.2;
    assert_ok(splits_open(&train, &val, &q));
    assert_int_equal(train->image_n, 16);
    assert_int_equal(val->image_n, 4);
    assert_string_equal(train->class_name[0], "Cat");
    dataset_close(train);
    dataset_close(val);
}

static void test_split(void **state) {
    (void)state;
    dataset *train = NULL, *val = NULL, *again = NULL, *none = NULL;
    splits_request q = both;
    make_images("train/a", 20);
    make_images("train/b/in", 7);
    make_images("train/c", 2);
    make_images("train/d", 1);
    q.val_split = 0.25;
    q.seed = 3;
    assert_ok(splits_open(&train, &val, &q));
    assert_line("8 of 30 images are for validation (data.val_split 0.25, seed 3)");
    static const int64_t of_val[] = {5, 2, 1, 0};
    assert_int_equal(train->image_n + val->image_n, 30);
    for (int c = 0; c < 4; c++) {
        assert_int_equal(val->class_image_n[c], of_val[c]);
        assert_int_equal(train->class_image_n[c] + val->class_image_n[c], "\24\7\2\1"[c]);
    }
    for (int64_t i = 1; i < train->image_n; i++)
        assert_true(strcmp(dataset_name(train, i - 1), dataset_name(train, i)) < 0);
    for (int64_t i = 0; i < val->image_n; i++)
        for (int64_t k = 0; k < train->image_n; k++)
            assert_string_not_equal(dataset_name(val, i), dataset_name(train, k));
    q.train = false; /* the validation images alone are the same */
    assert_ok(splits_open(&none, &again, &q));
    assert_null(none);
    assert_int_equal(again->image_n, val->image_n);
    for (int64_t i = 0; i < val->image_n; i++)
        assert_string_equal(dataset_name(again, i), dataset_name(val, i));
    dataset_close(again);
    make_images("train/b/later", 1); /* other classes are not affected */
    assert_ok(splits_open(&none, &again, &q));
    for (int64_t i = 0; i < 5; i++)
        assert_string_equal(dataset_name(again, i), dataset_name(val, i));
    dataset_close(again);
    q.seed = 4;
    assert_ok(splits_open(&none, &again, &q));
    bool same = true;
    for (int64_t i = 0; i < 5; i++)
        same = same && strcmp(dataset_name(again, i), dataset_name(val, i)) == 0;
    assert_false(same);
    dataset_close(again);
    dataset_close(train);
    dataset_close(val);
}

/** The choice for given names and seed must never change, as checkpoints depend on it. The expected names were computed
 *  from the formula in splits.h by another program. */
static void test_split_golden(void **state) {
    (void)state;
    dataset *train = NULL, *val = NULL;
    splits_request q = both;
    make_images("train/a", 10);
    q.val_split = 0.3;
    assert_ok(splits_open(&train, &val, &q));
    static const char *const names[] = {"a/000.jpg", "a/007.jpg", "a/009.jpg"};
    for (int i = 0; i < 3; i++)
        assert_string_equal(dataset_name(val, i), names[i]);
    dataset_close(train);
    dataset_close(val);
}

/** A folder test counts if it contains shards, compressed or not. */
static void test_shards_in_test(void **state) {
    (void)state;
    static const char *const names[] = {"1.jpg", "x.tar.xz.part", "x.tar.zst", "x.tgz", "x.tar"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char place[PATH_BYTES], folder[PATH_BYTES], name[64];
        snprintf(name, sizeof name, "%zu/test/%s", i, names[i]);
        make(name);
        assert_ok(path_format(place, "%s/%zu", root, i));
        assert_ok(layout_folder(folder, place, "val"));
        assert_string_equal(path_name(folder), i < 2 ? "val" : "test");
    }
}

static void test_split_or_folder(void **state) {
    (void)state;
    dataset *train = NULL, *val = NULL;
    splits_request q = both;
    q.val_split = 0.5;
    make_images("train/a", 4);
    make_images("test/a", 3);
    assert_ok(splits_open(&train, &val, &q)); /* test is left for later */
    assert_int_equal(val->image_n, 2);
    dataset_close(train);
    dataset_close(val);
    make_images("valid/a", 1);
    assert_fails(E_OPTION, "so data.val_split 0.5 cannot apply: set it to 0", splits_open(&train, &val, &q));
    q.prefer_val_set = true;
    assert_ok(splits_open(&train, &val, &q));
    assert_int_equal(train->image_n, 4);
    assert_int_equal(val->image_n, 1);
    dataset_close(train);
    dataset_close(val);
}

/** A class list defines the labels; its classes may lack images. */
static void test_class_list(void **state) {
    (void)state;
    dataset *train = NULL, *val = NULL;
    char path[PATH_BYTES];
    splits_request q = both;
    make_images("train/a", 2);
    make_images("train/b", 3);
    make_images("val/b", 1);
    assert_ok(path_join(path, root, "classes.txt"));
    q.class_list = path;
    assert_ok(file_write_atomic(path, "\xEF\xBB\xBFzebra\r\nb\r\n\r\na", 16));
    assert_ok(splits_open(&train, &val, &q));
    assert_int_equal(train->class_n, 3);
    assert_string_equal(train->class_name[0], "zebra");
    assert_string_equal(train->class_name[1], "b");
    static const char *const names[] = {"b/000.jpg", "b/001.jpg", "b/002.jpg", "a/000.jpg", "a/001.jpg"};
    for (int i = 0; i < 5; i++) {
        assert_string_equal(dataset_name(train, i), names[i]);
        assert_int_equal(train->label[i], i < 3 ? 1 : 2);
    }
    assert_int_equal(train->class_image_n[0], 0);
    assert_int_equal(val->label[0], 1);
    dataset_close(train);
    dataset_close(val);
    assert_ok(file_write_atomic(path, "a\n", 2));
    assert_fails(E_DATA, "classes.txt does not have: b.", splits_open(&train, &val, &q));
    assert_ok(file_write_atomic(path, "a\nb\na\n", 6));
    assert_fails(E_FORMAT, "names the class 'a' twice", splits_open(&train, &val, &q));
    assert_ok(file_write_atomic(path, "a\nb/c\n", 6));
    assert_fails(E_FORMAT, "'b/c' cannot be a class", splits_open(&train, &val, &q));
    assert_ok(file_write_atomic(path, "\n", 1));
    assert_fails(E_FORMAT, "contains no class names", splits_open(&train, &val, &q));
    assert_ok(file_write_atomic(path, "a\0b\n", 4));
    assert_fails(E_FORMAT, "contains zero bytes", splits_open(&train, &val, &q));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_clutter),        TEST(test_val_names),  TEST(test_nested),
                                       TEST(test_depth),          TEST(test_flat),       TEST(test_split),
                                       TEST(test_split_golden),   TEST(test_class_list), TEST(test_split_or_folder),
                                       TEST(test_shards_in_test), TEST(test_words),      TEST(test_no_words)};
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
