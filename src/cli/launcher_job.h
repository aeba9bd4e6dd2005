/** One run of the ranks, from fork until the last of them has ended. */
#ifndef LINNET_CLI_LAUNCHER_JOB_H
#define LINNET_CLI_LAUNCHER_JOB_H

#include "base/file.h"
#include "cli/cli.h"

#include <stdbool.h>

/** The result of one run of the ranks. */
typedef struct job_result {
    int code;               /* 0, the ranks' exit code, 129, 130 or 143 if stopped by a signal, else 1 */
    bool permanent;         /* a restart would fail for the same reason */
    char saved[PATH_BYTES]; /* the latest checkpoint that the run saved; "" none */
} job_result;

/** Blocks the signals and receives them through a file descriptor, for the functions below. @return 0, E_IO.
 *  launcher_job_end must be called in either case */
int launcher_job_begin(void);
void launcher_job_end(void);

/** Runs `command` (NULL-terminated, found through PATH) as a child in its own process group, forwards signals, and
 *  waits. The child's own output is not shown (a rank prints to this process's outputs, see launcher_link.h); it is
 *  summarised in one line if no rank has printed why the job ended. No rank outlives the call.
 *  cli_stop is set to the signal that stopped the job. answer: as for launcher_run.
 *  @return 0, E_UNSUPPORTED (the command is not installed), E_IO */
int launcher_job_run(job_result *out, char *const *command, int ranks, cli_answer answer);

/** Waits before a restart. @return 0, or the stop signal received meanwhile: SIGINT, SIGTERM or SIGHUP */
int launcher_job_pause(double seconds);

#endif
