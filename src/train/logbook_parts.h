/** Private to logbook*.c. */
#ifndef LINNET_TRAIN_LOGBOOK_PARTS_H
#define LINNET_TRAIN_LOGBOOK_PARTS_H

#include "train/logbook.h"

/** Starts to watch the device and opens device.csv, without the rows that will be logged again. */
int logbook_watch_device(logbook *b, double seconds, int64_t global_step);

#endif
