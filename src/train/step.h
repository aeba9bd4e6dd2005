/** One optimizer step over the next micro-batches of the loader. */
#ifndef LINNET_TRAIN_STEP_H
#define LINNET_TRAIN_STEP_H

#include "train/setup.h"
#include "train/state.h"

typedef struct step_result {
    metrics metrics; /* of this step's images */
    double lr;
    double grad_norm; /* before clipping */
} step_result;

/** The sums that an engine has counted. */
metrics step_metrics(const engine_result_data *r);

/** What the device reads in the step that begins at `t`. */
engine_hyper step_hyper(const setup *s, const train_state *t);

/** Moves `t` on by one step. At the end of an epoch the last step has fewer micro-batches.
 *  @return 0; E_NONFINITE (weights and momentum untouched; names step, loss and LR); what loading or computing failed
 * with */
int train_step(step_result *out, setup *s, train_state *t);

#endif
