/** `linnet train --devices 4` starts itself as 4 ranks on this machine, under mpirun; with dist.restarts it is started
 *  again after a failure and goes on from the last checkpoint.
 *
 *  mpirun has a process group of its own, so that Ctrl-C reaches this process alone. SIGINT, SIGTERM and SIGUSR2 are
 *  passed on as SIGUSR2: mpirun would end its ranks within two seconds of a SIGTERM, in the middle of a save. A second
 *  one ends the ranks at once. SIGUSR1 is passed on as it is, SIGTSTP and SIGCONT too. */
#ifndef LINNET_CLI_LAUNCHER_H
#define LINNET_CLI_LAUNCHER_H

#include "config/config.h"

/** Runs this command line again as c->trainer.devices ranks, and waits for their end. Nothing to do in a rank, and for
 *  one device without restarts.
 *  @return -1 to go on in this process, else the exit code of the command: that of the ranks, 130 or 143 when they
 *  saved and ended for a SIGINT or SIGTERM that this process got */
int launcher_run(const config *c);

#endif
