/** Handles the results of steps: counts them, or ends the run. */
#ifndef LINNET_TRAINING_RUN_STEP_RESULT_H
#define LINNET_TRAINING_RUN_STEP_RESULT_H

#include "training/run/run_open.h"

/** Counts the result of a step. @return 0, E_NONFINITE (the message has step, LR and last checkpoint) */
int result_count(train_run_state *r, const step_result *step);
/** Waits for the pending result, if there is one, and counts it. @return as result_count, train_settle */
int result_settle(train_run_state *r);

#endif
