/** The console output of a run: the progress line, and a line per epoch. */
#ifndef LINNET_TRAINING_RUN_CONSOLE_H
#define LINNET_TRAINING_RUN_CONSOLE_H

#include "training/run/epoch_clock.h"

progress_state console_state(const train_run_state *r, const epoch_clock *k);
/** Logs the line of the epoch that has just ended. */
void console_epoch(const train_run_state *r, const epoch_clock *k, double lr, double images_per_second, double wait);

#endif
