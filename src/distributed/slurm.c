#include "distributed/slurm.h"

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { KILLED = 1 }; /* seconds that a killed child process may take to end */

/** Starts scontrol in its own process group, so that one kill also reaches its child processes. @return 0 or errno */
static int start(pid_t *pid, char *job) {
    char scontrol[] = "scontrol", requeue[] = "requeue";
    char *command[] = {scontrol, requeue, job, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t own_group;
    int error = posix_spawn_file_actions_init(&files);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&own_group);
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
        if (error == 0)
            error = posix_spawnattr_setflags(&own_group, POSIX_SPAWN_SETPGROUP);
        if (error == 0)
            error = posix_spawnp(pid, scontrol, &files, &own_group, command, environ);
        posix_spawnattr_destroy(&own_group);
    }
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/** Waits at most `seconds` until the child has ended. @return whether it has ended; *error: errno if waiting fails */
static bool ended(pid_t pid, int *status, int *error, double seconds) {
    const struct timespec pause = {.tv_nsec = 10000000};
    double until = clock_seconds() + seconds;
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        *error = got < 0 ? errno : 0;
        if (got == pid || (got < 0 && errno != EINTR))
            return true;
        if (clock_seconds() >= until)
            return false;
        nanosleep(&pause, NULL);
    }
}

int requeue_job(double seconds) {
    char name[32], *job = getenv("SLURM_JOB_ID");
    pid_t pid = 0;
    int status = 0;
    if (job == NULL || job[0] == 0)
        return fail(E_IO, "the job was not requeued: SLURM_JOB_ID is not set, so this is not a Slurm job");
    int error = start(&pid, job);
    if (error != 0)
        return fail(E_IO, "job %s was not requeued: cannot start scontrol: %s", job, strerror(error));
    if (!ended(pid, &status, &error, seconds)) {
        kill(-pid, SIGKILL);
        ended(pid, &status, &error, KILLED); /* limited: a hung file system blocks even SIGKILL */
        return fail(E_IO, "job %s was not requeued: scontrol did not finish within %s", job,
                    text_duration(name, seconds));
    }
    if (error != 0)
        return fail(E_IO, "scontrol requeue %s: cannot wait for scontrol: %s", job, strerror(error));
    if (WIFSIGNALED(status))
        return fail(E_IO, "job %s was not requeued: scontrol was killed by %s", job,
                    text_signal(name, WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return fail(E_IO, "job %s was not requeued: scontrol exited with status %d", job, WEXITSTATUS(status));
    return OK;
}
