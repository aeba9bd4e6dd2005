/** One start of the ranks, from fork to the end of the last of them. */
#ifndef LINNET_CLI_LAUNCHER_JOB_H
#define LINNET_CLI_LAUNCHER_JOB_H

#include "base/file.h"

#include <stdbool.h>

/** What a start came to. */
typedef struct job_result {
    int code;               /* 0, the ranks' exit code, 130 or 143 after a signal that was obeyed, else 1 */
    bool permanent;         /* it failed with what would fail again */
    char saved[PATH_BYTES]; /* the latest checkpoint that the run has saved; "" none */
} job_result;

/** Takes signals off this process's other code, for the functions below. @return 0, E_IO. launcher_job_end is due in
 *  either case */
int launcher_job_begin(void);
void launcher_job_end(void);

/** Runs `command` (NULL-terminated, found through PATH) as a child in a process group of its own, hands signals on, and
 *  waits. What the child itself prints is kept back (a rank prints on this process's own outputs, launcher_link.h); it
 *  is told in one line when no rank has said why the job ended. No rank outlives the call.
 *  cli_stop is set to a signal that asked for the end.
 *  @return 0, E_UNSUPPORTED (the command is not there), E_IO */
int launcher_job_run(job_result *out, char *const *command, int ranks);

/** Waits between two starts. @return 0, or the signal that asked for the end meanwhile: SIGINT or SIGTERM */
int launcher_job_pause(double seconds);

#endif
