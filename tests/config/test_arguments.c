#include "check.h"

#include "base/file.h"
#include "config/config.h"

static const char *positional[16];
static int positional_n;

static int read_arguments(config *c, int n, const char *const *argv) {
    config_defaults(c);
    return config_read_arguments(c, n, (char *const *)argv, positional, &positional_n);
}

#define READ(c, ...)                                                                                                   \
    read_arguments(c, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *[]){__VA_ARGS__})

static void test_forms(void **state) {
    (void)state;
    config c;
    assert_ok(READ(&c, "--batch-size", "8", "--data.image_size=64", "a", "--lr=0.5", "--trainer.max-steps", "-1", "b"));
    assert_true(c.data.batch_size == 8 && c.data.image_size == 64 && c.optimizer.lr == 0.5);
    assert_int_equal(positional_n, 2);
    assert_string_equal(positional[0], "a");
    assert_string_equal(positional[1], "b");
    assert_ok(READ(&c, "--out=a=b", "--out", "c=d", "-", "--", "--lr", "x"));
    assert_string_equal(c.trainer.out, "c=d"); /* the last one is used */
    assert_int_equal(positional_n, 3);
    assert_string_equal(positional[0], "-");
    assert_string_equal(positional[1], "--lr");
    assert_ok(READ(&c, "--out=")); /* an empty string is a value */
    assert_string_equal(c.trainer.out, "");
    config_defaults(&c);
    assert_ok(config_read_arguments(&c, 0, NULL, positional, &positional_n));
    assert_int_equal(positional_n, 0);
}

static void test_bools(void **state) {
    (void)state;
    config c;
    assert_ok(READ(&c, "--optimizer.nesterov", "--no-data.shuffle", "--dry-run", "photos"));
    assert_true(c.optimizer.nesterov && !c.data.shuffle && c.trainer.dry_run);
    assert_int_equal(positional_n, 1);
    assert_ok(READ(&c, "--data.shuffle", "false", "--optimizer.nesterov=yes", "--dry-run", "--no-dry-run"));
    assert_true(!c.data.shuffle && c.optimizer.nesterov && !c.trainer.dry_run);
    assert_int_equal(positional_n, 0);
    assert_fails(E_OPTION, "--no-data.shuffle takes no value", READ(&c, "--no-data.shuffle=false"));
    assert_fails(E_OPTION, "--no-lr: unknown option", READ(&c, "--no-lr", "3"));
    assert_fails(E_OPTION, "true or false", READ(&c, "--data.shuffle=maybe"));
}

static void test_errors(void **state) {
    (void)state;
    config c;
    assert_fails(E_OPTION, "--batch-size needs a value", READ(&c, "--batch-size"));
    assert_fails(E_OPTION, "--batch-size needs a value", READ(&c, "--batch-size", "--lr", "1"));
    assert_fails(E_OPTION, "--batch-size: data.batch_size must be auto or a whole number from 1 to 65536, not '0'",
                 READ(&c, "--batch-size", "0"));
    assert_fails(E_OPTION, "did you mean --batch-size?", READ(&c, "--batchsize=3"));
    assert_fails(E_OPTION, "did you mean --batch-size?", READ(&c, "--batchsize"));
    assert_fails(E_OPTION, "options begin with --", READ(&c, "-b", "3"));
    assert_fails(E_OPTION, "--config needs a value: a YAML file", READ(&c, "--config"));
    assert_fails(E_NOTFOUND, "/nowhere.yaml", READ(&c, "--config", "/nowhere.yaml"));
    assert_fails(E_OPTION, "unknown option", READ(&c, "--=3"));
    char endless[5000];
    memset(endless, '-', sizeof endless);
    endless[sizeof endless - 1] = 0;
    assert_fails(E_OPTION, "unknown option", READ(&c, endless));
}

static void test_config_in_order(void **state) {
    (void)state;
    char folder[256], path[300];
    make_temporary_folder(folder);
    snprintf(path, sizeof path, "%s/r.yaml", folder);
    static const char yaml[] = "data:\n  batch_size: 9\noptimizer: {lr: 0.25}\n";
    assert_ok(file_write_atomic(path, yaml, sizeof yaml - 1));
    config c;
    assert_ok(READ(&c, "--batch-size", "8", "--config", path, "--lr", "0.5"));
    assert_true(c.data.batch_size == 9 && c.optimizer.lr == 0.5);
    char joined[320];
    snprintf(joined, sizeof joined, "--config=%s", path);
    assert_ok(READ(&c, joined, "--batch-size", "8"));
    assert_true(c.data.batch_size == 8 && c.optimizer.lr == 0.25);
    remove_folder(folder);
}

static int read_recipe(config *out, bool *found, int n, const char *const *argv) {
    return config_read_recipe(out, found, n, (char *const *)argv);
}

#define RECIPE(c, found, ...)                                                                                          \
    read_recipe(c, found, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *[]){__VA_ARGS__})

/* The recipe is the last file that states a result, without the other arguments. */
static void test_recipe(void **state) {
    (void)state;
    static const char measured[] = "expected: {val_acc: 0.9}\noptimizer: {lr: 0.25}\n", plain[] = "data: {ahead: 4}\n";
    char folder[256], a[300], b[300], joined[320];
    make_temporary_folder(folder);
    snprintf(a, sizeof a, "%s/a.yaml", folder);
    snprintf(b, sizeof b, "%s/b.yaml", folder);
    snprintf(joined, sizeof joined, "--config=%s", a);
    assert_ok(file_write_atomic(a, measured, sizeof measured - 1));
    assert_ok(file_write_atomic(b, plain, sizeof plain - 1));
    config c;
    bool found;
    assert_ok(RECIPE(&c, &found, "photos", "--lr", "3", "--config", a, "--config", b, "--batch-size", "8"));
    assert_true(found && c.expected.val_acc == 0.9 && c.optimizer.lr == 0.25);
    assert_true(c.data.batch_size == 32 && c.data.ahead == 3);
    assert_ok(RECIPE(&c, &found, joined));
    assert_true(found && c.optimizer.lr == 0.25);
    assert_ok(RECIPE(&c, &found, "--config", b, "--expected.val_acc", "0.5", "--", "--config", a));
    assert_false(found);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),           cmocka_unit_test(test_bools),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_config_in_order), cmocka_unit_test(test_recipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
