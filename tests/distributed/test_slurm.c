/* requeue_job with stand-ins for scontrol, which are scripts in a temporary folder. */
#include "check.h"

#include "base/file.h"
#include "distributed/slurm.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/linnet-requeue-XXXXXX";

/** A path in the folder. */
static const char *in_folder(const char *name) {
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void set_scontrol(const char *script) {
    FILE *f = fopen(in_folder("scontrol"), "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\ncd %s\n%s\n", folder, script);
    fclose(f);
    assert_int_equal(chmod(in_folder("scontrol"), 0700), 0);
}

static int set_up(void **state) {
    (void)state;
    char path[512];
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s:%s", folder, getenv("PATH"));
    return setenv("PATH", path, 1) || setenv("SLURM_JOB_ID", "4711", 1);
}

static int tear_down(void **state) {
    (void)state;
    static const char *const files[] = {"scontrol", "calls", "sleeper"};
    for (int i = 0; i < 3; i++)
        unlink(in_folder(files[i]));
    return rmdir(folder);
}

static void test_no_job(void **state) {
    (void)state;
    set_scontrol("echo called >calls");
    unsetenv("SLURM_JOB_ID");
    assert_fails(E_IO, "SLURM_JOB_ID is not set", requeue_job(10));
    setenv("SLURM_JOB_ID", "4711", 1);
    assert_int_equal(access(in_folder("calls"), F_OK), -1);
}

static void test_called_once(void **state) {
    (void)state;
    char said[32] = "";
    set_scontrol("echo \"$@\" >>calls");
    assert_ok(requeue_job(10));
    FILE *f = fopen(in_folder("calls"), "r");
    assert_non_null(f);
    size_t n = fread(said, 1, sizeof said - 1, f);
    fclose(f);
    said[n] = 0;
    assert_string_equal(said, "requeue 4711\n");
}

static void test_refused(void **state) {
    (void)state;
    set_scontrol("exit 3");
    assert_fails(E_IO, "job 4711 was not requeued: scontrol exited with status 3", requeue_job(10));
    set_scontrol("kill -SEGV $$");
    assert_fails(E_IO, "job 4711 was not requeued: scontrol was killed by SIGSEGV", requeue_job(10));
    unlink(in_folder("scontrol"));
    assert_fails(E_IO, "job 4711 was not requeued: cannot start scontrol", requeue_job(10));
}

static void test_hanging(void **state) {
    (void)state;
    int child = 0, status = 0;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* orphans of scontrol become children of this process */
    set_scontrol("sleep 60 & echo $! >sleeper; wait");
    double begun = clock_seconds();
    assert_fails(E_IO, "job 4711 was not requeued: scontrol did not finish within 0.5 s", requeue_job(0.5));
    assert_true(clock_seconds() - begun < 10);
    FILE *f = fopen(in_folder("sleeper"), "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &child), 1); // NOLINT(cert-err34-c)
    fclose(f);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_job),
        cmocka_unit_test(test_called_once),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hanging),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
