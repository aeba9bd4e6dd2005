/* The error of a build without libmicrohttpd, tested in any build. */
#include "check.h"

#include "telemetry/web_none.c"

static void test_error_message(void **state) {
    (void)state;
    web_server *s = NULL;
    assert_fails(E_UNSUPPORTED,
                 "cannot serve port 9: this build has no libmicrohttpd: install libmicrohttpd-dev and rebuild",
                 web_open(&s, "127.0.0.1", 9));
    assert_null(s);
    web_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_error_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
