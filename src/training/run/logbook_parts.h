/** Private to logbook*.c. */
#ifndef LINNET_TRAINING_RUN_LOGBOOK_PARTS_H
#define LINNET_TRAINING_RUN_LOGBOOK_PARTS_H

#include "training/run/logbook.h"

/** Starts the device statistics and opens device.csv, without the rows that will be logged again. */
int logbook_watch_device(logbook *b, double seconds, int64_t global_step);

#endif
