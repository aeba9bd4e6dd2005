/** One start of the ranks, from fork to the end of the last of them. */
#ifndef LINNET_CLI_LAUNCHER_JOB_H
#define LINNET_CLI_LAUNCHER_JOB_H

/** Runs `command` (NULL-terminated, found through PATH) as a child in a process group of its own, hands signals on, and
 *  waits. What the child itself prints is kept back (a rank prints on this process's own outputs, launcher_link.h); it
 *  is told in one line when no rank has said why the job ended. No rank outlives the call.
 *  @param[out] code 0, the ranks' exit code, 130 or 143 after a SIGINT or SIGTERM that was obeyed, else 1. cli_stop is
 *  set to a signal that asked for the end
 *  @return 0, E_UNSUPPORTED (the command is not there), E_IO */
int launcher_job_run(int *code, char *const *command, int ranks);

#endif
