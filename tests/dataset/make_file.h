/** Empty files for the tests of datasets. */
#ifndef LINNET_TESTS_DATASET_MAKE_FILE_H
#define LINNET_TESTS_DATASET_MAKE_FILE_H

#include "check.h"

#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

/** Makes an empty file below `root`, with its folders; a name that ends with '/' is a folder. */
static inline void make_file(const char *root, const char *name) {
    char path[PATH_BYTES];
    assert_ok(path_join(path, root, name));
    char *slash = strrchr(path, '/');
    *slash = 0;
    assert_ok(folder_make(path));
    *slash = '/';
    if (slash[1] == 0)
        return;
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    close(fd);
}

#endif
