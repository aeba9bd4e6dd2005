/** Private to run_logger*.c. */
#ifndef LINNET_TRAINING_RUN_RUN_LOGGER_PARTS_H
#define LINNET_TRAINING_RUN_RUN_LOGGER_PARTS_H

#include "training/run/run_logger.h"

/** Starts the device statistics and opens device.csv, without the rows that will be logged again. */
int run_logger_watch_device(run_logger *b, double seconds, int64_t global_step);

#endif
