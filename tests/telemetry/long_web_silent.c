/* Silent clients are dropped, so that others are served. */
#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "web_client.h"

static void test_silent(void **state) {
    (void)state;
    int fd[WEB_CONNECTIONS];
    put(WEB_METRICS, "a 1\n");
    for (int i = 0; i < WEB_CONNECTIONS; i++)
        fd[i] = socket_at(port, true);
    double start = clock_seconds();
    assert_answer(GET("/metrics"), "HTTP/1.1 200", "", "a 1\n");
    assert_true(clock_seconds() - start < 2 * WEB_SECONDS);
    for (int i = 0; i < WEB_CONNECTIONS; i++)
        close(fd[i]);
}

int main(void) {
    if (web_unavailable() != NULL) {
        printf("skipped: %s\n", web_unavailable());
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_silent, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
