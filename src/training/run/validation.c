#include "training/run/validation.h"

#include "base/log.h"
#include "base/status.h"
#include "training/broadcast.h"
#include "training/ema.h"
#include "training/evaluate.h"
#include "training/rank_events.h"
#include "training/run/save_policy.h"
#include "training/run/step_result.h"
#include "training/run/stop.h"

#include <string.h>

bool validation_in_epoch(const train_run_state *r) {
    int every = r->context.config->trainer.check_val_every_n_epoch;
    return r->context.val_batches > 0 && (r->state.epoch + 1) % every == 0;
}

bool validation_at(const train_run_state *r, int64_t done, int64_t step) {
    int64_t interval = r->context.val_interval;
    return interval > 0 && validation_in_epoch(r) && done > 0 && done < r->context.train_batches &&
           done / interval > (done - step) / interval;
}

bool validation_due(const train_run_state *r) {
    const train_state *t = &r->state;
    return t->val_step != t->global_step && validation_at(r, t->batch_in_epoch, r->context.micro_batches_per_step);
}

int validation_run(train_run_state *r) {
    const evaluate_extras extras = {.wrong = r->wrong.capacity > 0 ? &r->wrong : NULL};
    double began = clock_seconds();
    int rc = OK;
    r->evaluated = false;
    TRY(ema_swap(&r->context));
    rc = broadcast_statistics(&r->context);
    if (rc == OK)
        rc = evaluate(&r->state.val, &extras, &r->context, r->progress, r->state.epoch);
    int back = ema_swap(&r->context);
    rc = rc != OK ? rc : back;
    if (rc == E_STOPPED) {
        bool done = false;
        rc = stop_check(r, &done);
        goto done;
    }
    TRY(rc);
    TRY(rank_events_exchange(&r->context));
    r->evaluated = true;
    r->state.val_step = r->state.global_step;
    r->val_seconds = clock_seconds() - began;
done:
    return rc;
}

void validation_check_stop(train_run_state *r) {
    early_stopping *e = &r->state.early_stopping;
    const char *monitor = e->state.monitor;
    char reason[128];
    if (!e->state.on ||
        (config_monitors_val(monitor) ? r->state.val_step != r->state.global_step : !r->state.epoch_done))
        return;
    early_stopping_check(e, train_state_score(&r->state, monitor), r->state.epoch);
    if (!e->stop)
        return;
    if (train_leads(r))
        log_info("%s", early_stopping_reason(reason, e));
    run_logger_event(&r->run_logger, &r->state, "stop", "%s", early_stopping_reason(reason, e));
}

/** Continues the epoch as if the validation had not interrupted it. */
static void continue_epoch(train_run_state *r, epoch_clock *k, double began) {
    double now = clock_seconds();
    k->start += now - began;
    if (k->warm_at > 0)
        k->warm_at += now - began;
    ranks_begin(&r->context.ranks, loader_waited(r->context.train_loader));
    workers_begin(&r->context.workers, r->context.train_loader);
    progress_begin(r->progress, "train", r->state.epoch, r->context.config->trainer.max_epochs, r->state.batch_in_epoch,
                   r->context.train_batches);
}

int validation_within(train_run_state *r, epoch_clock *k) {
    double began = clock_seconds();
    status_saved logged;
    int rc = OK;
    TRY(result_settle(r));
    TRY(validation_run(r));
    validation_check_stop(r);
    status_save(&logged, disk_space_logged(r, run_logger_validation(&r->run_logger, &r->state)));
    if (config_monitors_val(r->context.config->checkpoint.monitor))
        TRY(save_epoch(r));
    if (logged.code != OK)
        TRY(status_restore(&logged));
    TRY(disk_space_logged(r, run_logger_bad_images(&r->run_logger, &r->context, &r->state)));
    continue_epoch(r, k, began);
done:
    return rc;
}
