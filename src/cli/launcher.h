/** `linnet train --devices 4` starts itself as 4 ranks on this machine with mpirun; find-lr, eval and bench train do
 * the same. With dist.restarts it restarts from the last checkpoint after a failure.
 *
 *  mpirun gets its own process group, so that Ctrl-C reaches only this process. SIGINT, SIGTERM, SIGHUP and SIGUSR2 are
 * forwarded as SIGUSR2: mpirun would end its ranks within two seconds of a SIGTERM, possibly in the middle of a save. A
 * second signal ends the ranks immediately. SIGUSR1, SIGTSTP and SIGCONT are forwarded unchanged. */
#ifndef LINNET_CLI_LAUNCHER_H
#define LINNET_CLI_LAUNCHER_H

#include "cli/cli.h"

/** Runs this command line again as c->trainer.devices ranks and waits until they end. Does nothing in a rank, or for
 * one device without restarts. answer: what the ranks do at the first stop signal; CLI_SILENT: they do not handle
 * stop signals, so the launcher ends them.
 *  @return -1 to continue in this process, else the exit code of the command: that of the ranks, or 129, 130 or 143 if
 *  they saved and ended after a SIGHUP, SIGINT or SIGTERM to this process */
int launcher_run(config *c, cli_answer answer);

#endif
