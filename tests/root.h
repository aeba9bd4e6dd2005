/* For tests that work in a temporary folder. */
#ifndef LINNET_TESTS_ROOT_H
#define LINNET_TESTS_ROOT_H

#include "check.h"

/** cmocka's setup and teardown for tests that work in a temporary folder, `root`. */
static char root[256];

static inline int root_set_up(void **state) {
    (void)state;
    make_temporary_folder(root);
    return 0;
}

static inline int root_tear_down(void **state) {
    (void)state;
    remove_folder(root);
    return 0;
}

#endif
