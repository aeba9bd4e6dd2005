/** Ends a run whose monitored metric no longer improves, as Lightning's EarlyStopping with check_finite. */
#ifndef LINNET_TRAINING_EARLY_STOPPING_H
#define LINNET_TRAINING_EARLY_STOPPING_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct early_stopping {
    ckpt_early_stopping state; /* on false: no check ever ends the run */
    double min_delta;
    bool stop;       /* the run ends */
    bool not_finite; /* because the last value is not finite */
} early_stopping;

early_stopping early_stopping_init(const config *c);

/** Checks a value of the metric at the end of a validation, or of an epoch. A value is an improvement if it is better
 *  than the best one by more than min_delta. Sets `stop` after `patience` values in a row without improvement, or if
 *  the value is not finite. */
void early_stopping_check(early_stopping *e, double value, int64_t epoch);

/** Continues with the state of a checkpoint. Monitor, mode, patience and min_delta are those of this run; the state of
 *  another metric is not used. Sets `stop` if the saved run had already ended.
 *  @return whether the state was used */
bool early_stopping_restore(early_stopping *e, const ckpt_early_stopping *saved);

/** Why the last check ended the run. */
const char *early_stopping_reason(char out[128], const early_stopping *e);

#endif
