/** What people look at while a run goes on: run.json, the worst images, viewlogs.md with its pictures. */
#ifndef LINNET_TRAINING_RUN_PUBLISH_H
#define LINNET_TRAINING_RUN_PUBLISH_H

#include "training/run/start.h"

/** Brings it up to date. The report waits while reports have taken more than half a percent of the run, unless it
 *  `must`. A failure is a warning: it stops no training. */
void publish(train_run_state *r, const char *state, bool must);

/** The last words in the logs of a run that ends with the code `error`, whose message stays. `whole`: nothing is left
 * to do. */
void publish_end(train_run_state *r, int error, bool whole);

#endif
