#include "check.h"

#include "base/log.h"

#include <sys/wait.h>
#include <unistd.h>

/** Forks while the lock is held. The child must be able to log. */
static void fork_in_sink(void *context, log_level level, const char *line) {
    pid_t *child = context;
    (void)level;
    (void)line;
    if (*child != 0) /* in the child: the second line */
        return;
    *child = fork();
    if (*child != 0)
        return;
    *child = -1;
    alarm(20);
    log_info("second");
    _exit(0);
}

static void test_fork(void **state) {
    pid_t child = 0;
    int status = 0;
    (void)state;
    log_set_sink(fork_in_sink, &child);
    log_info("first");
    log_set_sink(NULL, NULL);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fork)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
