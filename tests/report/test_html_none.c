/* A build without cmark-gfm, tested in any build: a report has viewlogs.md and no report.html. */
#define _GNU_SOURCE
#include "check.h"

#include "report/html_none.c"

#include "base/file.h"
#include "report/report.h"
#include "root.h"

static void test_report(void **state) {
    (void)state;
    char logs[PATH_BYTES], path[PATH_BYTES];
    report_result r;
    assert_ok(path_join(logs, root, "logs"));
    assert_ok(folder_make(logs));
    assert_ok(path_join(path, logs, "metrics.csv"));
    assert_ok(file_write_atomic(path, "epoch,step\n", 11));
    report_run run = {.logs = logs};
    assert_ok(report_write(&r, root, &run, 1));
    assert_false(r.html);
    assert_ok(path_join(path, root, "viewlogs.md"));
    assert_true(file_exists(path));
    assert_ok(path_join(path, root, "report.html"));
    assert_false(file_exists(path));
}

static void test_error_message(void **state) {
    (void)state;
    text out = {0};
    assert_fails(E_UNSUPPORTED, "this build has no cmark-gfm: install libcmark-gfm-dev and libcmark-gfm-extensions-dev",
                 html_document(&out, "", 0, ".", NULL, 0));
    assert_null(out.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_report), cmocka_unit_test(test_error_message)};
    return cmocka_run_group_tests(tests, root_set_up, root_tear_down);
}
