#include "training/run/epoch_clock.h"

#include "base/log.h"
#include "base/text.h"
#include "training/run/validation.h"

#include <math.h>

double epoch_images_per_second(const epoch_clock *k) {
    double seconds = clock_seconds() - k->start;
    return seconds > 0 ? (double)k->images / seconds : NAN;
}

double epoch_wait_share(const train_run_state *r, const epoch_clock *k) {
    double seconds = clock_seconds() - k->start;
    return seconds > 0 ? (loader_waited(r->context.train_loader) - k->waited) / seconds : 0;
}

double run_remaining_seconds(const train_run_state *r) {
    const config *c = r->context.config;
    const train_state *t = &r->state;
    double left =
        (double)(c->trainer.max_epochs - t->epoch) * (double)r->context.train_batches - (double)t->batch_in_epoch;
    if (r->seconds_per_batch <= 0)
        return NAN;
    if (c->trainer.max_steps >= 0)
        left = fmin(left, (double)(c->trainer.max_steps - t->global_step) * r->context.micro_batches_per_step);
    double seconds = left * r->seconds_per_batch + run_context_validations(&r->context, left) * r->val_seconds;
    if (c->trainer.max_time > 0)
        seconds = fmin(seconds, c->trainer.max_time - ranks_run_seconds(&r->context.ranks, t));
    return fmax(seconds, 0);
}

/** The first steps are slower (caches, ring), so the estimate is measured after them. */
void epoch_clock_log_estimate(train_run_state *r, epoch_clock *k) {
    enum { WARM = 3, MEASURED = 5 };
    char time[32], run[32];
    if (k->batches > 0)
        r->seconds_per_batch = (clock_seconds() - k->start) / (double)k->batches;
    if (r->epoch_time_logged)
        return;
    if (k->warm_at == 0 && k->batches >= WARM) {
        k->warm_at = clock_seconds();
        k->warm_batches = k->batches;
    }
    int64_t measured = k->batches - k->warm_batches;
    if (k->warm_at == 0 || measured < MEASURED)
        return;
    double per_batch = (clock_seconds() - k->warm_at) / (double)measured;
    r->seconds_per_batch = per_batch;
    log_info("an epoch takes about %s, the rest of the run about %s, without validation",
             text_duration(time, per_batch * (double)r->context.train_batches),
             text_duration(run, run_remaining_seconds(r)));
    r->epoch_time_logged = true;
}
