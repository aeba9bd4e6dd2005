/** One optimizer step over the next micro-batches of the loader. */
#ifndef LINNET_TRAINING_STEP_H
#define LINNET_TRAINING_STEP_H

#include "training/run_context.h"
#include "training/state.h"

typedef struct step_result {
    metrics metrics; /* of this step's images on all ranks; without images: no result yet */
    long long own_images;
    int64_t step; /* global_step before it */
    double lr;
    double grad_norm; /* before clipping */
    double scale;     /* of the loss */
    uint64_t samples; /* hash of the images and their order (samples.h) */
    bool finite;      /* false: the gradient was not finite, and weights and momentum are unchanged */
} step_result;

/** The sums in an engine's result. */
metrics step_metrics(const engine_result_data *r);

/** The hyperparameters of the step that begins at `t`. */
engine_hyper step_hyper(const run_context *s, const train_state *t);

/** Runs one step and advances `t`, also if the step is skipped (as Lightning counts). The last step of an epoch may
 * have fewer micro-batches. If the engine runs asynchronously and `wait` is false, *out is the result of the previous
 * step, and the result of this one is pending: momentum, scaler and metrics in `t` are updated one step later. With
 * `wait`, train_settle must be called before. If the gradient is not finite, the loss scaler skips the step; without a
 * loss scaler `t->in_step` stays set.
 *  @return 0, or the error of loading or computing */
int train_step(step_result *out, run_context *s, train_state *t, bool wait);

/** Waits for the pending result, if there is one. To be called before the state is saved or released. */
int train_settle(step_result *out, run_context *s, train_state *t);

#endif
