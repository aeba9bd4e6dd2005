/** Private to run_logger*.c. */
#ifndef LINNET_TRAINING_RUN_RUN_LOGGER_PARTS_H
#define LINNET_TRAINING_RUN_RUN_LOGGER_PARTS_H

#include "training/run/run_logger.h"

/** Starts the device statistics and opens device.csv, without the rows that will be logged again. */
int run_logger_watch_device(run_logger *b, double seconds, int64_t global_step);

/** Logs a scalar to TensorBoard, and to MLflow with the next mlflow_row. @return as tb_events_scalar */
int run_logger_scalar(run_logger *b, const char *tag, int64_t step, double value);

#endif
