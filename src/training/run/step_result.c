#include "training/run/step_result.h"

#include "base/status.h"

/** Handles a gradient that is not finite: with a loss scaler the step was skipped, else the run ends. */
static int not_finite(train_run_state *r, const step_result *step) {
    const char *last = r->summary->last;
    if (r->state.scaler.on) {
        run_logger_event(&r->run_logger, &r->state, "skipped", "the gradient was not finite: loss scale %g -> %g",
                         step->scale, grad_scaler_scale(&r->state.scaler));
        return OK;
    }
    return fail(E_NONFINITE,
                "the gradient is not finite at step %lld (loss %g, LR %g). The weights were not updated. %s%s. Try a "
                "lower optimizer.lr, or set schedule.warmup_epochs",
                (long long)step->step, metrics_loss(&step->metrics), step->lr,
                last[0] != 0 ? "Last checkpoint: " : "There is no checkpoint yet", last);
}

int result_count(train_run_state *r, const step_result *step) {
    int rc = OK;
    if (!step->finite)
        TRY(not_finite(r, step));
    r->own_images += step->own_images;
    r->summary->images += step->metrics.images;
done:
    return rc;
}

int result_settle(train_run_state *r) {
    step_result step;
    int rc = OK;
    TRY(train_settle(&step, &r->context, &r->state));
    TRY(result_count(r, &step));
done:
    return rc;
}
