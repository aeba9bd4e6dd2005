/** The checks before every step: signals, requests to save, limits of steps and time. */
#ifndef LINNET_TRAINING_RUN_STOP_H
#define LINNET_TRAINING_RUN_STOP_H

#include "training/run/run_open.h"

/** *done: whether a limit is reached. @return 0, E_STOPPED (stopped by a signal, after saving), or the error of saving
 */
int stop_check(train_run_state *r, bool *done);

#endif
