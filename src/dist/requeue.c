#include "dist/requeue.h"

#include "base/status.h"
#include "base/text.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int requeue_job(void) {
    char *job = getenv("SLURM_JOB_ID");
    if (job == NULL || job[0] == 0)
        return fail(E_IO, "the job was not requeued: SLURM_JOB_ID is not set, so this is no job of Slurm");
    char name[32], scontrol[] = "scontrol", requeue[] = "requeue";
    char *command[] = {scontrol, requeue, job, NULL};
    posix_spawn_file_actions_t files;
    pid_t pid = 0;
    int status = 0;
    int error = posix_spawn_file_actions_init(&files);
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
        if (error == 0)
            error = posix_spawnp(&pid, scontrol, &files, NULL, command, environ);
        posix_spawn_file_actions_destroy(&files);
    }
    if (error != 0)
        return fail(E_IO, "the job %s was not requeued: cannot start scontrol: %s", job, strerror(error));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return fail(E_IO, "scontrol requeue %s: its end is not known: %s", job, strerror(errno));
    if (WIFSIGNALED(status))
        return fail(E_IO, "the job %s was not requeued: scontrol was ended by %s", job,
                    text_signal(name, WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return fail(E_IO, "the job %s was not requeued: scontrol ended with %d", job, WEXITSTATUS(status));
    return OK;
}
