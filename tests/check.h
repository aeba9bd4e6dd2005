/** Includes that every cmocka test needs, in the order that cmocka requires, and further assertions. */
#ifndef LINNET_TESTS_CHECK_H
#define LINNET_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four headers above */
#include <cmocka.h>
/* base/status.h defines its own fail() */
#undef fail
#undef fail_msg
#define fail_msg(...)                                                                                                  \
    do {                                                                                                               \
        print_error("ERROR: " __VA_ARGS__);                                                                            \
        print_error("\n");                                                                                             \
        _fail(__FILE__, __LINE__);                                                                                     \
    } while (0)

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/** A call that must return 0; prints its message otherwise. */
#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        int rc_ = (call);                                                                                              \
        if (rc_ != 0)                                                                                                  \
            fail_msg("%s = %d: %s", #call, rc_, status_message());                                                     \
    } while (0)

/** A call that must fail with `code` and a message that contains `part`. */
#define assert_fails(code, part, call)                                                                                 \
    do {                                                                                                               \
        int rc_ = (call);                                                                                              \
        if (rc_ != (code))                                                                                             \
            fail_msg("%s = %d, expected %s; message: %s", #call, rc_, #code, status_message());                        \
        if (strstr(status_message(), part) == NULL)                                                                    \
            fail_msg("%s: message '%s' lacks '%s'", #call, status_message(), part);                                    \
    } while (0)

/** Two doubles within an absolute tolerance; fails if either is NaN. */
#define assert_near(a, b, tolerance)                                                                                   \
    do {                                                                                                               \
        double a_ = (a), b_ = (b);                                                                                     \
        if (!(fabs(a_ - b_) <= (tolerance)))                                                                           \
            fail_msg("%s = %.17g, expected %.17g within %g", #a, a_, b_, (double)(tolerance));                         \
    } while (0)

/** |a-b|2 / |b|2; 0 if they are equal, infinity if b is 0 and a is not. */
static inline double relative_error(const double *a, const double *b, size_t n) {
    double d = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
        d += (a[i] - b[i]) * (a[i] - b[i]);
        s += b[i] * b[i];
    }
    if (d == 0)
        return 0;
    return s > 0 ? sqrt(d / s) : INFINITY;
}

/** A fresh folder under TMPDIR or /tmp; the caller removes it (remove_folder). */
static inline void make_temporary_folder(char out[256]) {
    const char *tmp = getenv("TMPDIR");
    snprintf(out, 256, "%s/linnet-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(out));
}

static inline void remove_folder(const char *path) {
    char command[512];
    snprintf(command, sizeof command, "rm -rf -- '%s'", path);
    assert_int_equal(system(command), 0);
}

#endif
