/** The journal: it contains complete lines, one per event, independent of the file's previous content. */
#include "root.h"

#include "base/file.h"
#include "logging/journal.h"

#include <signal.h>
#include <sys/resource.h>

static void lines(void **state) {
    (void)state;
    journal *j = NULL;
    unsigned char *bytes = NULL;
    size_t n = 0;
    char path[PATH_BYTES], time[24];
    assert_ok(path_join(path, root, "journal.log"));
    assert_string_equal(journal_time(time, 1795478876.9), "2026-11-24T00:07:56Z");
    assert_ok(file_write_atomic(path, "torn", 4));
    assert_ok(journal_open(&j, path));
    assert_ok(journal_line(j, 0, 0, "start", "resnet18 on %d images", 5));
    assert_ok(journal_line(j, 6, 812, "lr", "0.1 -> 0.01:\tStepLR\nafter %d epochs", 30));
    assert_ok(journal_close(j));
    assert_ok(journal_open(&j, path));
    assert_ok(journal_line(j, 6, 812, "end", "done"));
    assert_ok(journal_close(j));
    assert_ok(file_read(&bytes, &n, path, 0));
    const char *all = (const char *)bytes, *p = all;
    assert_memory_equal(p, "torn\n20", 7);
    p = strchr(p, '\n') + 1;
    assert_string_equal(p + 20, strstr(all, "\t1\t0\tstart\tresnet18 on 5 images\n"));
    p = strchr(p, '\n') + 1;
    static const char second[] = "\t7\t812\tlr\t0.1 -> 0.01: StepLR after 30 epochs\n";
    assert_memory_equal(p + 20, second, sizeof second - 1);
    p = strchr(p, '\n') + 1;
    assert_string_equal(p + 20, "\t7\t812\tend\tdone\n");
    free(bytes);
}

/** A line that does not fit on the disk is not written at all. */
static void full_disk(void **state) {
    (void)state;
    journal *j = NULL;
    unsigned char *bytes = NULL;
    size_t n = 0;
    char path[PATH_BYTES];
    struct rlimit before, small;
    assert_ok(path_join(path, root, "full.log"));
    assert_ok(journal_open(&j, path));
    assert_ok(journal_line(j, 0, 0, "start", "x"));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 50;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = journal_line(j, 0, 1, "lr", "a line too long for what is left");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_fails(E_IO, "full.log", rc);
    assert_ok(journal_line(j, 0, 2, "end", "y"));
    assert_ok(journal_close(j));
    assert_ok(file_read(&bytes, &n, path, 0));
    const char *all = (const char *)bytes;
    assert_non_null(strstr(all, "\tstart\tx\n20"));
    assert_non_null(strstr(all, "\tend\ty\n"));
    assert_null(strstr(all, "too long"));
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(full_disk)};
    return cmocka_run_group_tests(tests, root_set_up, root_tear_down);
}
