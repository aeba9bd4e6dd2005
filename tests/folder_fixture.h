/** A temporary folder for all tests of a program: cmocka_run_group_tests(tests, setup, teardown). */
#ifndef LINNET_TESTS_FOLDER_FIXTURE_H
#define LINNET_TESTS_FOLDER_FIXTURE_H

#include "check.h"

#include "base/file.h"

static char folder[256];

static int setup(void **state) {
    (void)state;
    make_temporary_folder(folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

/** Writes a file at `folder` + name, with its folders. name begins with '/'. */
static inline void put_file(const char *name, const char *content) {
    char path[PATH_BYTES], parent[PATH_BYTES];
    assert_ok(path_format(path, "%s%s", folder, name));
    assert_ok(path_format(parent, "%s", path));
    *strrchr(parent, '/') = 0;
    assert_ok(folder_make(parent));
    assert_ok(file_write_atomic(path, content, strlen(content)));
}

#endif
