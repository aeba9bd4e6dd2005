#include "training/run/trainer.h"

#include "base/log.h"
#include "base/status.h"
#include "training/ema.h"
#include "training/rank_events.h"
#include "training/run/console.h"
#include "training/run/publish.h"
#include "training/run/run_monitor.h"
#include "training/run/save_policy.h"
#include "training/run/step_result.h"
#include "training/run/stop.h"
#include "training/run/validation.h"
#include "training/run_loader.h"

#include <stdio.h>

/** Logs how the ranks have spent their time since the previous row. */
static int log_rank_timing(train_run_state *r) {
    rank_timing p = ranks_timing_row(&r->context.ranks);
    return disk_space_logged(r, run_logger_timing(&r->run_logger, &r->state, &p));
}

static int after_step(train_run_state *r, const step_result *step) {
    const config *c = r->context.config;
    int rc = OK;
    TRY(rank_events_exchange(&r->context));
    if (r->state.global_step % c->trainer.log_every_n_steps == 0) {
        TRY(disk_space_logged(r, run_logger_step(&r->run_logger, &r->state, step)));
        TRY(log_rank_timing(r));
        TRY(disk_space_logged(r, run_logger_bad_images(&r->run_logger, &r->context, &r->state)));
    }
    run_logger_device(&r->run_logger, &r->state, false);
    disk_space_poll(r);
    /* not after the epoch's last step: the epoch's own checkpoint follows the validation */
    if (c->checkpoint.every_n_steps > 0 && r->state.global_step % c->checkpoint.every_n_steps == 0 &&
        r->state.batch_in_epoch < r->context.train_batches)
        TRY(save_last(r));
done:
    return rc;
}

/** Whether the result of the next step is needed at once: for a log entry, a checkpoint, or the end of the epoch. */
static bool needs_result(const train_run_state *r) {
    const config *c = r->context.config;
    int64_t next = r->state.global_step + 1, step = r->context.micro_batches_per_step;
    return validation_at(r, r->state.batch_in_epoch + step, step) || next % c->trainer.log_every_n_steps == 0 ||
           (c->checkpoint.every_n_steps > 0 && next % c->checkpoint.every_n_steps == 0) ||
           r->state.batch_in_epoch + step >= r->context.train_batches;
}

static int one_step(train_run_state *r, epoch_clock *k) {
    step_result step;
    int64_t before = r->state.batch_in_epoch;
    long long images = r->summary->images, own = r->own_images;
    bool wait = needs_result(r);
    int rc = OK;
    if (wait)
        TRY(result_settle(r));
    TRY(train_step(&step, &r->context, &r->state, wait));
    TRY(ema_step(&r->context, &r->state, before / r->context.micro_batches_per_step));
    TRY(result_count(r, &step));
    images = r->summary->images - images;
    k->images += images;
    k->batches += r->state.batch_in_epoch - before;
    k->timing = ranks_timing(&r->context.ranks);
    epoch_clock_log_estimate(r, k);
    workers_count(&r->context.workers, r->context.train_loader, r->own_images - own);
    progress_state shown = console_state(r, k);
    progress_update(r->progress, &shown);
    TRY(after_step(r, &step));
    if (r->state.global_step % r->context.config->trainer.log_every_n_steps == 0)
        run_monitor_step(r, k, &step);
    publish_by_time(r);
done:
    return rc;
}

/** Sets the image size of the epoch, which may grow with data.progressive_size. */
static void set_size(train_run_state *r) {
    const config *c = r->context.config;
    int64_t epoch = r->state.epoch;
    int size = run_loader_train_size(c, epoch);
    loader_set_size(r->context.train_loader, size);
    if (epoch > 0 && size != run_loader_train_size(c, epoch - 1))
        run_logger_event(&r->run_logger, &r->state, "size", "%d x %d pixels from this epoch on", size, size);
}

/** The epoch whose order and crops the loader uses. With overfit_batches all epochs have the same images. */
static uint32_t order_epoch(const train_run_state *r) {
    return r->context.config->trainer.overfit_batches != 0 ? 0 : (uint32_t)r->state.epoch;
}

/** Runs the training part of an epoch; *done: whether a limit ended it early. */
static int train_epoch(train_run_state *r, epoch_clock *k, bool *done) {
    train_state *t = &r->state;
    int rc = OK;
    *k =
        (epoch_clock){.start = clock_seconds(), .waited = loader_waited(r->context.train_loader), .timing.slowest = -1};
    ranks_begin(&r->context.ranks, k->waited);
    workers_begin(&r->context.workers, r->context.train_loader);
    set_size(r);
    TRY(loader_start(r->context.train_loader, order_epoch(r), t->batch_in_epoch));
    progress_begin(r->progress, "train", t->epoch, r->context.config->trainer.max_epochs, t->batch_in_epoch,
                   r->context.train_batches);
    while (t->batch_in_epoch < r->context.train_batches) {
        if (validation_due(r))
            TRY(validation_within(r, k));
        if (t->early_stopping.stop) {
            *done = true;
            break;
        }
        TRY(stop_check(r, done));
        if (*done)
            break;
        TRY(one_step(r, k));
    }
    TRY(log_rank_timing(r));
    progress_state shown = console_state(r, k);
    progress_end(r->progress, &shown);
done:
    r->train_seconds += clock_seconds() - k->start;
    return rc;
}

/** Advances the schedule; a change of the LR is written to the journal. Plateau counts validations. */
static void end_schedule(train_run_state *r, bool validated) {
    train_state *t = &r->state;
    if (t->schedule.state.kind == CKPT_SCHEDULE_PLATEAU && !validated)
        return;
    double before = t->schedule.state.last_lr;
    char reason[128];
    if (schedule_end_epoch(&t->schedule, t->epoch, metrics_loss(&t->val)))
        run_logger_event(&r->run_logger, t, "lr", "%.6g -> %.6g: %s", before, t->schedule.state.last_lr,
                         schedule_reason(reason, &t->schedule));
    else if (t->epoch + 1 == t->schedule.warmup_epochs)
        run_logger_event(&r->run_logger, t, "lr", "%.6g: end of the warm-up", t->schedule.state.last_lr);
}

/** Logs histograms of weights and gradients, while the gradients of the epoch's last step are still in memory. */
static int log_distributions(train_run_state *r, const epoch_clock *k) {
    int every = r->context.config->monitor.histogram_every_n_epochs;
    if (every == 0 || (r->state.epoch + 1) % every != 0 || k->batches == 0) /* no step by this process: logged before */
        return OK;
    return disk_space_logged(r, run_logger_histograms(&r->run_logger, &r->context, &r->state));
}

static int end_epoch(train_run_state *r, const epoch_clock *k) {
    train_state *t = &r->state;
    status_saved logged;
    double lr = schedule_lr(&t->schedule, t->epoch, r->context.steps_per_epoch - 1, r->context.steps_per_epoch);
    double speed = k->images > 0 ? epoch_images_per_second(k) : NAN,
           waited = k->images > 0 ? epoch_wait_share(r, k) : NAN;
    int rc = OK;
    TRY(log_distributions(r, k));
    if (validation_in_epoch(r))
        TRY(validation_run(r));
    else
        t->val = (metrics){0};
    end_schedule(r, validation_in_epoch(r));
    t->epoch_done = true;
    validation_check_stop(r);
    /* The epoch's row is logged first: a run that is killed between the two resumes from an earlier step and logs
     * the row again. If the row cannot be written, the epoch is saved nevertheless. */
    status_save(&logged, disk_space_logged(r, run_logger_epoch(&r->run_logger, t, lr, speed, waited)));
    run_monitor_epoch(r, lr, speed, waited);
    TRY(save_epoch(r));
    if (logged.code != OK)
        TRY(status_restore(&logged));
    run_logger_device(&r->run_logger, t, true);
    TRY(disk_space_logged(r, run_logger_bad_images(&r->run_logger, &r->context, t)));
    run_logger_count_bad(&r->run_logger, &r->context, t);
    if (train_leads(r))
        console_epoch(r, k, lr, speed, waited);
    r->summary->train = t->train;
    if (t->val.images > 0)
        r->summary->val = t->val;
    t->epoch++;
    t->batch_in_epoch = 0;
    t->train = t->val = (metrics){0};
    t->epoch_done = false;
    if (train_leads(r))
        publish(r, "running", false);
done:
    return rc;
}

static int run_epochs(train_run_state *r) {
    bool done = false;
    int rc = OK;
    while (r->state.epoch < r->context.config->trainer.max_epochs && !r->state.early_stopping.stop) {
        epoch_clock k = {0};
        TRY(train_epoch(r, &k, &done));
        if (done) {
            TRY(save_final(r));
            goto done;
        }
        TRY(end_epoch(r, &k));
    }
    TRY(save_unsaved(r));
done:
    return rc;
}

static void summarise(train_run_state *r) {
    train_summary *s = r->summary;
    const ckpt_kept *best = top_k_best(&r->state.best);
    s->seconds = clock_seconds() - r->started;
    s->images_per_second = r->train_seconds > 0 ? (double)s->images / r->train_seconds : 0;
    s->epochs_done = r->state.epoch;
    s->finished = r->context.config != NULL &&
                  (r->state.epoch >= r->context.config->trainer.max_epochs || r->state.early_stopping.stop);
    bool validated = s->val.images > 0 && r->state.val_step == r->state.global_step;
    s->val_acc = s->finished && validated ? metrics_top1(&s->val) : NAN;
    s->global_step = r->state.global_step;
    s->best_score = best != NULL ? best->value : NAN;
    s->monitor = r->context.config != NULL ? r->context.config->checkpoint.monitor : NULL;
    snprintf(s->best, sizeof s->best, "%s", best != NULL ? best->path : "");
    snprintf(s->logs, sizeof s->logs, "%s", r->folder.logs);
}

/** Logs the first batch of a new run to TensorBoard, as an image. */
static void show_batch(void *context, const batch *b) {
    train_run_state *r = context;
    r->context.on_batch = NULL;
    if (run_logger_batch(&r->run_logger, b) != OK)
        log_warn("cannot log the images of the first batch: %s", status_message());
}

int train_run(train_summary *out, const config *c, const train_hooks *h) {
    train_run_state r;
    int rc = OK;
    TRY(run_open(&r, out, c, h, true));
    r.started_step = r.state.global_step;
    if (r.state.global_step == 0 && train_leads(&r)) {
        r.context.on_batch = show_batch;
        r.context.on_batch_context = &r;
    }
    TRY(run_epochs(&r));
done:
    ranks_failed(h->comm, rc);
    if (rc != OK && r.run_logger.folder != NULL)
        save_rescue(&r, rc);
    summarise(&r);
    if (r.run_logger.folder != NULL)
        publish_end(&r, rc, out->finished);
    status_saved first;
    status_save(&first, rc);
    int closed = run_close(&r);
    return rc != OK ? status_restore(&first) : closed;
}
