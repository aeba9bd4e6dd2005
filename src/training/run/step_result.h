/** The results of steps as they come: counted, or the end of the run. */
#ifndef LINNET_TRAINING_RUN_STEP_RESULT_H
#define LINNET_TRAINING_RUN_STEP_RESULT_H

#include "training/run/start.h"

/** A step's result, as soon as it is there. @return 0, E_NONFINITE (names step, LR and last checkpoint) */
int result_count(train_run_state *r, const step_result *step);
/** Waits for the result that is still to come, if one is. @return as result_count, train_settle */
int result_settle(train_run_state *r);

#endif
