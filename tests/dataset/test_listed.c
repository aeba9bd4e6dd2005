/* Datasets from CSV and TSV lists: columns, quotes, order, splits, messages. */
#include "check.h"

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "dataset/dataset.h"
#include "dataset/read.h"
#include "dataset/splits/delimited.h"
#include "dataset/splits/listed.h"
#include "dataset/splits/splits.h"

static char root[256], file[300], lines[4096];

static void keep_line(void *context, log_level level, const char *line) {
    (void)context;
    if (level != LOG_DEBUG)
        snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "%s\n", line);
}

static int set_up(void **state) {
    (void)state;
    make_temporary_folder(root);
    snprintf(file, sizeof file, "%s/list.csv", root);
    lines[0] = 0;
    log_set_sink(keep_line, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    remove_folder(root);
    return 0;
}

static void make_image(const char *name) {
    char path[PATH_BYTES];
    assert_ok(path_join(path, root, name));
    *strrchr(path, '/') = 0;
    assert_ok(folder_make(path));
    assert_ok(path_join(path, root, name));
    assert_ok(file_write_atomic(path, name, strlen(name)));
}

static void write_list(const char *text) { assert_ok(file_write_atomic(file, text, strlen(text))); }

/** Opens the list; its images are made first. */
static void open_list(listed *l, const char *text) {
    write_list(text);
    assert_ok(listed_open(l, file, NULL));
}

static void check_names(const dataset *d, const char *const *names, int64_t n) {
    assert_int_equal(d->image_n, n);
    for (int64_t i = 0; i < n; i++)
        assert_string_equal(dataset_name(d, i), names[i]);
}

static void check_fields(const char *text, char separator, const char *const *expected) {
    char bytes[256], *field[3];
    snprintf(bytes, sizeof bytes, "%s", text);
    delimited d = delimited_begin(bytes, strlen(bytes));
    assert_int_equal(d.separator, separator);
    for (int n = 1, i = 0; n > 0;) {
        size_t line = 0;
        assert_ok(delimited_next(&d, field, 3, &n, &line));
        for (int k = 0; k < n && k < 3; k++)
            assert_string_equal(field[k], expected[i++]);
        assert_true(n > 0 || expected[i] == NULL);
    }
}

static void test_delimited(void **state) {
    (void)state;
    check_fields("a,b\r\nc,d\n", ',', (const char *[]){"a", "b", "c", "d", NULL});
    check_fields("\xEF\xBB\xBF"
                 "a,b\n\n\r\n,\n",
                 ',', (const char *[]){"a", "b", "", "", NULL});
    check_fields("\"a,\"\"x\"\"\nb\",\"\"\r\n\"c\"", ',', (const char *[]){"a,\"x\"\nb", "", "c", NULL});
    check_fields("a b\tc\n\"d\te\"\tf", '\t', (const char *[]){"a b", "c", "d\te", "f", NULL});
    check_fields("a,b\tc\n", ',', (const char *[]){"a", "b\tc", NULL});
    check_fields("1,2,3,4\nx,", ',', (const char *[]){"1", "2", "3", "x", "", NULL});
    check_fields("a\"b,c", ',', (const char *[]){"a\"b", "c", NULL});
    check_fields("", ',', (const char *[]){NULL});
    char *field[3], open_quote[] = "x\n\"abc\ndef", after[] = "\"a\"b,c";
    int n = 0;
    size_t line = 0;
    delimited d = delimited_begin(open_quote, strlen(open_quote));
    assert_ok(delimited_next(&d, field, 3, &n, &line));
    assert_fails(E_FORMAT, "line 2: a quote is not closed", delimited_next(&d, field, 3, &n, &line));
    d = delimited_begin(after, strlen(after));
    assert_fails(E_FORMAT, "line 1: text follows a closing quote", delimited_next(&d, field, 3, &n, &line));
}

/** Any bytes end, and all fields are within the text. */
static void test_any_bytes(void **state) {
    (void)state;
    static const char letters[] = {'a', 'b', ',', ',', '\t', '"', '"', '\r', '\n', '\0', '\xEF'};
    random_stream r = random_open(1, 0, 0, RANDOM_TEST);
    for (int round = 0; round < 20000; round++) {
        size_t n = random_below(&r, 24), line = 0, last = 0;
        char *bytes = malloc(n + 1), *field[3];
        for (size_t i = 0; i < n; i++)
            bytes[i] = letters[random_below(&r, sizeof letters)];
        bytes[n] = 0;
        delimited d = delimited_begin(bytes, n);
        for (int fields = 1; fields > 0; last = line) {
            if (delimited_next(&d, field, 3, &fields, &line) != OK)
                break;
            assert_true(line >= last && d.at <= d.end);
            for (int k = 0; k < fields && k < 3; k++)
                assert_true(field[k] >= bytes && field[k] + strlen(field[k]) <= bytes + n);
        }
        free(bytes);
    }
}

/** The order is that of an ImageFolder, whatever the order of the rows. */
static void test_order(void **state) {
    (void)state;
    listed l;
    static const char *const names[] = {"cat/10.jpg", "cat/2.jpg", "cat/x/1.jpg", "cat/x/in/0.jpg", "dog/y/1.jpg"};
    char path[PATH_BYTES], wanted[PATH_BYTES];
    const unsigned char *bytes = NULL;
    size_t n = 0;
    image_buffer b = {0};
    make_image("x/1.jpg");
    open_list(&l, "y/1.jpg,dog\nx/in/0.jpg,cat\nx/1.jpg,cat\n2.jpg,cat\n10.jpg,cat\n");
    check_names(l.train, names, 5);
    assert_null(l.val);
    assert_false(l.has_split);
    assert_int_equal(l.train->class_n, 2);
    assert_int_equal(l.train->class_image_n[0], 4);
    assert_int_equal(l.train->label[4], 1);
    assert_ok(dataset_path(path, l.train, 2));
    snprintf(wanted, sizeof wanted, "%s/x/1.jpg", root);
    assert_string_equal(path, wanted);
    assert_ok(dataset_read(&bytes, &n, &b, l.train, 2, 0));
    assert_int_equal(n, 7);
    assert_memory_equal(bytes, "x/1.jpg", 7);
    assert_int_equal(dataset_image_bytes(l.train, 2), 7);
    assert_int_equal(dataset_image_bytes(l.train, 0), -1);
    image_buffer_deinit(&b);
    listed_deinit(&l);
}

static void test_columns(void **state) {
    (void)state;
    listed l;
    char text[1024], path[PATH_BYTES];
    make_image("a, b/1.jpg");
    make_image("2.jpg");
    open_list(&l, "Split,other,Label,FileName\nval,7,\"x, \"\"y\"\"\",\"a, b/1.jpg\"\nTraining,8,z,2.jpg\n");
    assert_string_equal(l.val->class_name[0], "x, \"y\"");
    assert_ok(dataset_path(path, l.val, 0));
    assert_non_null(strstr(path, "/a, b/1.jpg"));
    assert_string_equal(dataset_name(l.train, 0), "z/2.jpg");
    listed_deinit(&l);
    snprintf(text, sizeof text, "image\tclass\n%s/a, b/1.jpg\tc", root); /* an absolute path, tabs, another root */
    write_list(text);
    assert_ok(listed_open(&l, file, "/nowhere"));
    assert_ok(dataset_path(path, l.train, 0));
    assert_true(file_exists(path));
    listed_deinit(&l);
}

/** A list of two columns with other names, or with the label named like a path. */
static void test_pairs(void **state) {
    (void)state;
    static const char *const texts[] = {"id_code,diagnosis\n1.jpg,a\n", "Image,Id\n1.jpg,a\n",
                                        "breed,id\na,1.jpg\n",          "photo,breed\n1.jpg,a\n",
                                        "photo;breed\r\n1.jpg;a\r\n",   "1.jpg,a\n"};
    make_image("1.jpg");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        listed l;
        lines[0] = 0;
        open_list(&l, texts[i]);
        check_names(l.train, (const char *[]){"a/1.jpg"}, 1);
        assert_int_equal(strstr(lines, "is the path of an image") != NULL, i < 5);
        listed_deinit(&l);
    }
    listed l;
    open_list(&l, "1.jpg,class\n"); /* no header: it has an image */
    check_names(l.train, (const char *[]){"class/1.jpg"}, 1);
    listed_deinit(&l);
    open_list(&l, "gone,a\n1,a\n"); /* no header: the label is that of other images */
    check_names(l.train, (const char *[]){"a/1.jpg", "a/gone"}, 2);
    listed_deinit(&l);
    lines[0] = 0;
    open_list(&l, "a,1.jpg\nb,2.jpg\n");
    check_names(l.train, (const char *[]){"a/1.jpg", "b/2.jpg"}, 2);
    assert_non_null(strstr(lines, "the first column is the label"));
    listed_deinit(&l);
    open_list(&l, "\n\n1.jpg;a\n");
    check_names(l.train, (const char *[]){"a/1.jpg"}, 1);
    listed_deinit(&l);
}

static void test_long_path(void **state) {
    (void)state;
    char text[PATH_BYTES + 64];
    listed l;
    memset(text, 'x', sizeof text);
    memcpy(text, "1.jpg,a\n", 8);
    snprintf(text + PATH_BYTES, 64, ".jpg,a\n");
    write_list(text);
    assert_fails(E_FORMAT, ":2: the path has", listed_open(&l, file, NULL));
    listed_deinit(&l);
}

/** Paths without the suffix of their file. */
static void test_suffixes(void **state) {
    (void)state;
    listed l;
    make_image("b/1.jpg");
    make_image("2.PNG");
    make_image("3.5.jpeg");
    make_image("4");
    make_image("5.png");
    open_list(&l, "id,label\nb/1,a\n2,a\n3.5,a\n4,a\n5.png,a\n6,a\n");
    check_names(l.train, (const char *[]){"a/2.PNG", "a/3.5.jpeg", "a/4", "a/5.png", "a/6", "a/b/1.jpg"}, 6);
    assert_non_null(strstr(lines, "3 of 6 paths have no suffix: it is added, as in b/1.jpg"));
    listed_deinit(&l);
    open_list(&l, "b/1,a\n2,b\n"); /* no header: the file exists */
    assert_int_equal(l.train->image_n, 2);
    listed_deinit(&l);
    write_list("b/1,a\nb/1.jpg,a\n");
    assert_fails(E_FORMAT, "b/1.jpg is already listed in line 1", listed_open(&l, file, NULL));
    listed_deinit(&l);
}

static void test_splits(void **state) {
    (void)state;
    listed l;
    dataset *train = NULL, *val = NULL;
    splits_request q = {.path = "", .list = file, .class_list = "", .train = true, .val = true};
    make_image("1.jpg");
    open_list(&l, "1.jpg,a,train\n2.jpg,a,test\n3.jpg,a,valid\n4.jpg,a,TEST\n5.jpg,a,validation\n");
    check_names(l.val, (const char *[]){"a/5.jpg"}, 1);
    assert_non_null(strstr(lines, "the images of split valid (1) are not used; validation is the validation set"));
    assert_non_null(strstr(lines, "the images of split test (2) are not used; validation is the validation set"));
    listed_deinit(&l);
    q.val_split = 0.5;
    assert_fails(E_OPTION, "has validation images, so data.val_split 0.5", splits_open(&train, &val, &q));
    write_list("1.jpg,a,train\n2.jpg,a,train\n3.jpg,a,test\n");
    assert_ok(splits_open(&train, &val, &q));
    assert_int_equal(train->image_n, 1);
    assert_int_equal(val->image_n, 1);
    assert_string_not_equal(dataset_name(val, 0), "a/3.jpg");
    dataset_close(train);
    dataset_close(val);
    q.val_split = 0;
    assert_ok(splits_open(&train, &val, &q));
    assert_string_equal(dataset_name(val, 0), "a/3.jpg");
    dataset_close(train);
    dataset_close(val);
    write_list("1.jpg,a\n2.jpg,b\n");
    lines[0] = 0;
    assert_ok(splits_open(&train, &val, &q)); /* no validation */
    assert_int_equal(train->image_n, 2);
    assert_int_equal(val->image_n, 0);
    assert_int_equal(val->class_n, 2);
    assert_non_null(strstr(lines, "the run does not validate"));
    dataset_close(train);
    dataset_close(val);
    q.train = false;
    assert_ok(splits_open(&train, &val, &q));
    assert_null(train);
    assert_int_equal(val->image_n, 2);
    dataset_close(val);
    write_list("1.jpg,a,val\n");
    q.train = true;
    assert_fails(E_NOTFOUND, "has no rows of the split train", splits_open(&train, &val, &q));
    write_list("1.jpg,a,train\n");
    q.train = false;
    assert_fails(E_NOTFOUND, "has no rows of the split val", splits_open(&train, &val, &q));
}

static void test_messages(void **state) {
    (void)state;
    listed l;
    make_image("1.jpg");
    static const struct {
        const char *text, *message;
        int code;
    } wrong[] = {{"", "lists no images", E_DATA},
                 {"path,label\n", "lists no images", E_DATA},
                 {"1.jpg\n", ":1: expected the columns path,label or path,label,split", E_FORMAT},
                 {"name,breed,fold\n1.jpg,a,1\n", ":1: 'name' is no image. If this row is a header", E_FORMAT},
                 {"path,split\n1.jpg,train\n", ":1: 'path' is no image. If this row is a header", E_FORMAT},
                 {"name,breed\n9.jpg,a\n", "none of the 1 images", E_NOTFOUND},
                 {"1.jpg,a\n2.jpg,a,train\n", ":2: the row has 3 columns, but the first row has 2", E_FORMAT},
                 {"1.jpg,a,train\n\n2.jpg,a,dev\n", ":3: unknown split 'dev'", E_FORMAT},
                 {"1.jpg,a/b\n", ":1: 'a/b' cannot be a class", E_FORMAT},
                 {"1.jpg,\n", ":1: '' cannot be a class", E_FORMAT},
                 {"1.jpg,a\n,a\n", ":2: '' cannot be the path of an image", E_FORMAT},
                 {"1.jpg,a\n2.jpg,b\n1.jpg,b\n", ":3: 1.jpg is already listed in line 1", E_FORMAT},
                 {"1.jpg,a\n\"2.jpg,b\n", "line 2: a quote is not closed", E_FORMAT},
                 {"9.jpg,a\n8.jpg,b\n", "none of the 2 images that were checked exists, for example ", E_NOTFOUND}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_list(wrong[i].text);
        assert_fails(wrong[i].code, wrong[i].message, listed_open(&l, file, NULL));
        assert_non_null(strstr(status_message(), file));
        listed_deinit(&l);
    }
    assert_ok(file_write_atomic(file, "1\0.\0", 4));
    assert_fails(E_FORMAT, "contains zero bytes: save it as UTF-8", listed_open(&l, file, NULL));
    assert_fails(E_NOTFOUND, "nowhere", listed_open(&l, "/nowhere.csv", NULL));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_delimited), TEST(test_any_bytes), TEST(test_order),
                                       TEST(test_columns),   TEST(test_splits),    TEST(test_messages),
                                       TEST(test_pairs),     TEST(test_long_path), TEST(test_suffixes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
