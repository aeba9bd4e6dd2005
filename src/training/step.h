/** One optimizer step over the next micro-batches of the loader. */
#ifndef LINNET_TRAINING_STEP_H
#define LINNET_TRAINING_STEP_H

#include "training/setup.h"
#include "training/state.h"

typedef struct step_result {
    metrics metrics; /* of this step's images, all ranks'; none: no result has come */
    long long own_images;
    int64_t step; /* global_step before it */
    double lr;
    double grad_norm; /* before clipping */
    double scale;     /* of the loss */
    uint64_t samples; /* which images, in which order: samples.h */
    bool finite;      /* false: the gradient was not, and weights and momentum are untouched */
} step_result;

/** The sums that an engine has counted. */
metrics step_metrics(const engine_result_data *r);

/** What the device reads in the step that begins at `t`. */
engine_hyper step_hyper(const setup *s, const train_state *t);

/** Moves `t` on by one step, a skipped one included (as Lightning counts). At the end of an epoch the last step has
 *  fewer micro-batches. Where the engine runs ahead and `wait` is false, *out is the result of the step before, and
 * this one's is pending: momentum, scaler and metrics in `t` follow one step later. With `wait`, train_settle comes
 * first. A gradient that is not finite is the loss scaler's to handle; without one `t->in_step` stays.
 *  @return 0, what loading or computing failed with */
int train_step(step_result *out, setup *s, train_state *t, bool wait);

/** Waits for the result that is still to come, if one is. Due before the state is saved or ends. */
int train_settle(step_result *out, setup *s, train_state *t);

#endif
