/* LINNET_CPU: valid levels are used and invalid ones refused. Each case is a separate process, because the level
 * never changes within one. */
#include "base/cpu_level.h"
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

/** @return the level in force in a new process with LINNET_CPU = value (NULL: unset), or -1 if it is refused */
static int level_with(const char *value) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (value == NULL)
            unsetenv("LINNET_CPU");
        else
            setenv("LINNET_CPU", value, 1);
        _exit(cpu_level_check() == OK ? (int)cpu_level_get() : 100);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 100 ? -1 : WEXITSTATUS(status);
}

static void test_levels(void **state) {
    (void)state;
    cpu_level best = cpu_level_of_machine();
    assert_int_equal(level_with(NULL), best);
    assert_int_equal(level_with(""), best);
    for (cpu_level level = 0; level < CPU_LEVELS; level++)
        assert_int_equal(level_with(cpu_level_name(level)), level <= best ? (int)level : -1);
    print_message("this machine: %s\n", cpu_level_name(best));
}

static void test_refused(void **state) {
    (void)state;
    assert_int_equal(level_with("avx3"), -1);
    setenv("LINNET_CPU", "AVX2 ", 1);
    assert_true(cpu_level_is_set());
    assert_fails(E_OPTION, "LINNET_CPU=AVX2  is not a CPU level: sse41, avx2, avx512, avx512_bf16 or amx",
                 cpu_level_check());
    unsetenv("LINNET_CPU");
    assert_false(cpu_level_is_set());
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
