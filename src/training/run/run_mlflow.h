/** The run in MLflow (monitor.mlflow): params, tags, every scalar that TensorBoard gets, files, status.
 * docs/services.md describes it. Without the option, or before run_mlflow_open, the other functions do nothing. */
#ifndef LINNET_TRAINING_RUN_RUN_MLFLOW_H
#define LINNET_TRAINING_RUN_RUN_MLFLOW_H

#include "training/run/run_open.h"

/** Checks the address, before anything is read or written. @return 0, E_OPTION, E_UNSUPPORTED (built without libcurl)
 */
int run_mlflow_check(const config *c);
/** Begins to send, on rank 0, once the logs are open: a new run, or that of the log folder.
 *  @return 0, or an error of mlflow_open, but none of the server */
int run_mlflow_open(train_run_state *r);
/** Sends the files and the status, once the last report is written. error: of the run. */
void run_mlflow_end(train_run_state *r, int error);
/** Waits for the delivery, at most monitor.mlflow_wait, and reports what remains. */
void run_mlflow_close(train_run_state *r);

#endif
