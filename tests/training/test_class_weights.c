/* optimizer.class_weights: scikit-learn's balanced weights, and files. */
#include "folder_fixture.h"

#include "training/class_weights.h"

enum { CLASSES = 4 };

static int64_t images[CLASSES] = {6, 3, 0, 1};
static char *names[CLASSES] = {"cat", "a,b", "empty", "Dog"};
static dataset data = {
    .root = "data/train", .class_n = CLASSES, .class_name = names, .class_image_n = images, .image_n = 10};

/* compute_class_weight("balanced", classes=[0, 1, 3], y=[0] * 6 + [1] * 3 + [3]) of scikit-learn 1.7 */
static void balanced(void **state) {
    (void)state;
    static const double expected[CLASSES] = {0.5555555555555556, 1.1111111111111112, 0, 3.3333333333333335};
    double *w = NULL;
    assert_ok(class_weights_make(&w, "balanced", &data));
    for (int k = 0; k < CLASSES; k++)
        assert_true(w[k] == expected[k]);
    free(w);
    assert_false(class_weights_on("none"));
    assert_false(class_weights_on(""));
    assert_true(class_weights_on("balanced"));
}

static void check_file(const char *content) {
    char path[PATH_BYTES];
    double *w = NULL;
    put_file("/weights.csv", content);
    assert_ok(path_join(path, folder, "weights.csv"));
    assert_ok(class_weights_make(&w, path, &data));
    assert_true(w[0] == 1 && w[1] == 2.5 && w[2] == 0 && w[3] == 4);
    free(w);
}

static void files(void **state) {
    (void)state;
    check_file("cat,1\n\"a,b\",2.5\nempty,0\nDog,4\n");
    check_file("class,weight\r\nDog,4\r\n\r\nempty,0\r\n\"a,b\",2.5\r\ncat,1e0");
    check_file("\xEF\xBB\xBF"
               "class\tweight\ncat\t1\na,b\t2.5\nempty\t0\nDog\t4\n");
}

static void bad_files(void **state) {
    (void)state;
    static const struct {
        const char *content, *message;
        int code;
    } c[] = {
        {"cat,1\n\"a,b\",2\nempty,0\n", "has no weight for class 'Dog'", E_DATA},
        {"", "has no weight for class 'cat'", E_DATA},
        {"cat,1\ndog,2\n", ":2: the class 'dog' does not exist in data/train", E_DATA},
        {"cat,1\ncat,2\n", ":2: a second row for class 'cat'", E_FORMAT},
        {"cat,-1\n", ":1: the weight of class 'cat' must be a number of 0 or more, not '-1'", E_FORMAT},
        {"cat,nan\n", "not 'nan'", E_FORMAT},
        {"cat,\n", "not ''", E_FORMAT},
        {"cat\n", ":1: expected a row class,weight, but the row has 1 column", E_FORMAT},
        {"cat,1,2\n", "the row has 3 columns", E_FORMAT},
        {"\"cat,1\n", "weights.csv: line 1: a quote is not closed", E_FORMAT},
        {"cat,0\n\"a,b\",0\nempty,0\nDog,0\n", "the weights of all classes are 0", E_DATA},
    };
    char path[PATH_BYTES];
    double *w = NULL;
    assert_ok(path_join(path, folder, "weights.csv"));
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        put_file("/weights.csv", c[i].content);
        assert_fails(c[i].code, c[i].message, class_weights_make(&w, path, &data));
        assert_null(w);
    }
    assert_fails(E_NOTFOUND, "expected none, balanced, or a file", class_weights_make(&w, "balancd", &data));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(balanced), cmocka_unit_test(files),
                                       cmocka_unit_test(bad_files)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
