/** What is looked at before every step: signals, requests to save, limits of steps and time. */
#ifndef LINNET_TRAINING_RUN_STOP_H
#define LINNET_TRAINING_RUN_STOP_H

#include "training/run/start.h"

/** @return E_STOPPED once saved; *done when a limit is reached */
int stop_check(train_run_state *r, bool *done);

#endif
