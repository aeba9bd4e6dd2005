#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "logging/csv.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[256], path[PATH_BYTES];
static const char *const column[] = {"train_loss_step", "val_loss", "lr-SGD"};

static int setup(void **state) {
    (void)state;
    make_temporary_folder(folder);
    return path_join(path, folder, "metrics.csv");
}

static int teardown(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

static void assert_content(const char *expected) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    assert_ok(file_read(&bytes, &n, path, 0));
    assert_string_equal((char *)bytes, expected);
    free(bytes);
}

static void put(const char *content) { assert_ok(file_write_atomic(path, content, strlen(content))); }

#define HEADER "epoch,step,train_loss_step,val_loss,lr-SGD\n"

static void test_rows(void **state) {
    (void)state;
    csv *c = NULL;
    assert_ok(csv_open(&c, path, column, 3));
    assert_content(HEADER);
    assert_ok(csv_row(c, 0, 49, (double[]){2.3125, 9, 0.1}, (char[]){1, 0, 1}));
    assert_content(HEADER "0,49,2.3125,,0.1\n"); /* passed to the operating system at once */
    assert_ok(csv_row(c, 0, 99, (double[]){NAN, 0.1 + 0.2, -INFINITY}, (char[]){1, 1, 1}));
    assert_ok(csv_row(c, 1, INT64_C(1) << 40, (double[]){1e-7, 0, 0}, (char[]){1, 0, 0}));
    assert_ok(csv_close(c));
    assert_content(HEADER "0,49,2.3125,,0.1\n0,99,nan,0.30000000000000004,-inf\n1,1099511627776,1e-07,,\n");
}

static void test_appends(void **state) {
    (void)state;
    csv *c = NULL;
    put(HEADER "0,1,1,1,1\n0,2,1.2345678,1.2345678"); /* the last line is incomplete after a crash */
    assert_ok(csv_open(&c, path, column, 3));
    assert_ok(csv_row(c, 0, 2, (double[]){2, 0, 0}, (char[]){1, 0, 0}));
    assert_ok(csv_close(c));
    assert_content(HEADER "0,1,1,1,1\n0,2,2,,\n");
    put("epoch,st"); /* even the header */
    assert_ok(csv_open(&c, path, column, 3));
    assert_ok(csv_close(c));
    assert_content(HEADER);
}

static void test_other_columns(void **state) {
    (void)state;
    csv *c = NULL;
    put("epoch,step,val_loss\n0,1,1\n");
    assert_fails(E_FORMAT,
                 "has different columns (epoch,step,val_loss) from this run's (epoch,step,train_loss_step,val_loss",
                 csv_open(&c, path, column, 3));
    assert_content("epoch,step,val_loss\n0,1,1\n");
    put(HEADER);
    assert_fails(E_FORMAT, "different columns", csv_open(&c, path, column, 2));
    put("epoch,step,train_loss_step,val_loss,lr-SGD,more\n");
    assert_fails(E_FORMAT, "different columns", csv_open(&c, path, column, 3));
    assert_fails(E_NOTFOUND, "metrics.csv", csv_open(&c, "/nowhere/metrics.csv", column, 3));
}

static void test_quotes(void **state) {
    (void)state;
    csv *c = NULL;
    static const char *const odd[] = {"a,b", "say \"x\"", "two\nlines"};
    assert_ok(csv_open(&c, path, odd, 3));
    assert_ok(csv_close(c));
    assert_content("epoch,step,\"a,b\",\"say \"\"x\"\"\",\"two lines\"\n");
    assert_ok(csv_open(&c, path, odd, 3));
    assert_ok(csv_close(c));
}

static void test_trim(void **state) {
    (void)state;
    put(HEADER "0,49,1,,\n0,99,2,,\n0,99,,3,\n1,149,1,,\n1,199,1");
    assert_ok(csv_trim(path, 99, false, NULL));
    assert_content(HEADER "0,49,1,,\n0,99,2,,\n0,99,,3,\n");
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    assert_ok(csv_trim(path, 99, false, NULL)); /* nothing to trim: the file is not rewritten */
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_ok(csv_trim(path, -1, false, NULL));
    assert_content(HEADER);
    put(HEADER "0,1,1,,\ngarbage\n,,,\n0,x,1,,\n0,2,1,,\n");
    assert_ok(csv_trim(path, 5, false, NULL));
    assert_content(HEADER "0,1,1,,\n0,2,1,,\n");
    /* a resumed run logs the last step again if the column has a value; only later steps are moved to the backup */
    put(HEADER "0,5,1,,\n0,5,,3,\n0,6,1,,\n");
    assert_ok(csv_trim(path, 5, true, "val_loss"));
    assert_content(HEADER "0,5,1,,\n");
    put("epoch,st");
    assert_ok(csv_trim(path, 5, false, NULL));
    assert_content("");
    put("name,age\nx,1\n");
    assert_fails(E_FORMAT, "does not begin with 'epoch,step'", csv_trim(path, 5, false, NULL));
    assert_content("name,age\nx,1\n");
    assert_ok(file_remove(path));
    assert_ok(csv_trim(path, 5, false, NULL));
    assert_false(file_exists(path));
}

static void set_file_limit(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_full_disk(void **state) {
    (void)state;
    csv *c = NULL;
    signal(SIGXFSZ, SIG_IGN);
    assert_ok(csv_open(&c, path, column, 3));
    assert_ok(csv_row(c, 0, 1, (double[]){1, 0, 0}, (char[]){1, 0, 0}));
    set_file_limit(sizeof HEADER + 10);
    assert_fails(E_IO, "cannot write", csv_row(c, 0, 2, (double[]){2.25, 0, 0}, (char[]){1, 0, 0}));
    set_file_limit(RLIM_INFINITY);
    assert_content(HEADER "0,1,1,,\n"); /* no incomplete row */
    assert_ok(csv_row(c, 0, 3, (double[]){3, 0, 0}, (char[]){1, 0, 0}));
    assert_content(HEADER "0,1,1,,\n0,2,2.25,,\n0,3,3,,\n"); /* the row that failed was kept */
    set_file_limit(sizeof HEADER + 20);
    assert_fails(E_IO, "cannot write", csv_row(c, 0, 4, (double[]){4, 0, 0}, (char[]){1, 0, 0}));
    assert_fails(E_IO, "cannot write", csv_close(c)); /* lost rows are an error */
    set_file_limit(RLIM_INFINITY);
    assert_content(HEADER "0,1,1,,\n0,2,2.25,,\n0,3,3,,\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_appends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quotes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trim, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
