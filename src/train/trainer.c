#include "train/trainer.h"

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "dist/requeue.h"
#include "train/average.h"
#include "train/evaluate.h"
#include "train/news.h"
#include "train/publish.h"
#include "train/share.h"
#include "train/snapshot.h"
#include "train/start.h"

#include <stdio.h>
#include <string.h>

enum { REQUEUE_PATIENCE = 30 }; /* seconds for scontrol, which takes one where Slurm is well */

/** Clocks of the epoch in progress, this process alone. */
typedef struct epoch_clock {
    double start, waited; /* at its start */
    long long images;     /* trained on since */
    int64_t batches;
    double warm_at;       /* when the first steps were done; 0: not yet */
    int64_t warm_batches; /* batches done then */
    pace pace;            /* of the ranks, so far */
} epoch_clock;

/** With a loss scaler the step was skipped; else the run ends. */
static int not_finite(train_run_state *r, const step_result *step) {
    const char *last = r->summary->last;
    if (r->state.scaler.on) {
        logbook_event(&r->logbook, &r->state, "skipped", "the gradient was not finite: loss scale %g -> %g",
                      step->scale, scaler_scale(&r->state.scaler));
        return OK;
    }
    return fail(E_NONFINITE,
                "the gradient is not finite at step %lld (loss %g, LR %g): the update was not made; %s%s. Try a lower "
                "optimizer.lr or a warm-up",
                (long long)step->step, metrics_loss(&step->metrics), step->lr,
                last[0] != 0 ? "last good checkpoint: " : "there is no checkpoint yet", last);
}

/** A step's result, as soon as it is there. */
static int count_step(train_run_state *r, const step_result *step) {
    int rc = OK;
    if (!step->finite)
        TRY(not_finite(r, step));
    r->own_images += step->own_images;
    r->summary->images += step->metrics.images;
done:
    return rc;
}

static int settle(train_run_state *r) {
    step_result step;
    int rc = OK;
    TRY(train_settle(&step, &r->setup, &r->state));
    TRY(count_step(r, &step));
done:
    return rc;
}

static int save_last(train_run_state *r) {
    int rc = settle(r);
    if (rc != OK)
        return rc;
    r->saving = true;
    comm_at(r->setup.ranks.comm, COMM_SAVES);
    if (train_leads(r))
        rc = snapshot_save(r->folder.last, &r->setup, &r->state, &r->state.best, &r->folder);
    rc = comm_agree(r->setup.ranks.comm, rc);
    if (rc == OK)
        snprintf(r->summary->last, sizeof r->summary->last, "%s", r->folder.last);
    r->saving = rc != OK;
    return rc;
}

static double images_per_second(const epoch_clock *k) {
    double seconds = clock_seconds() - k->start;
    return seconds > 0 ? (double)k->images / seconds : NAN;
}

static double wait_share(const train_run_state *r, const epoch_clock *k) {
    double seconds = clock_seconds() - k->start;
    return seconds > 0 ? (loader_waited(r->setup.train_loader) - k->waited) / seconds : 0;
}

static progress_state shown_state(const train_run_state *r, const epoch_clock *k) {
    int64_t left = r->setup.train_batches - r->state.batch_in_epoch;
    double per_batch = k->batches > 0 ? (clock_seconds() - k->start) / (double)k->batches : NAN;
    return (progress_state){.done = r->state.batch_in_epoch,
                            .loss = metrics_loss(&r->state.train),
                            .top1 = metrics_top1(&r->state.train),
                            .images_per_second = images_per_second(k),
                            .wait_share = wait_share(r, k),
                            .remaining_seconds = per_batch * (double)left,
                            .ranks = comm_ranks(r->setup.ranks.comm),
                            .slowest = k->pace.slowest,
                            .comm_share = k->pace.comm,
                            .excess = k->pace.excess};
}

/** The first steps warm caches; the prediction starts after them. */
static void predict(train_run_state *r, epoch_clock *k) {
    enum { WARM = 3, MEASURED = 5 };
    char time[32];
    if (r->told_prediction)
        return;
    if (k->warm_at == 0 && k->batches >= WARM) {
        k->warm_at = clock_seconds();
        k->warm_batches = k->batches;
    }
    int64_t measured = k->batches - k->warm_batches;
    if (k->warm_at == 0 || measured < MEASURED)
        return;
    double per_batch = (clock_seconds() - k->warm_at) / (double)measured;
    log_info("an epoch takes about %s", text_duration(time, per_batch * (double)r->setup.train_batches));
    r->told_prediction = true;
}

/** The run goes on in any case: until Slurm ends it, or to its own end. The other ranks wait meanwhile: not as long as
 *  makes the watchdog take rank 0 for lost. */
static void requeue(train_run_state *r) {
    double half = r->setup.config->dist.timeout / 2.0;
    double patience = half > 0 && half < REQUEUE_PATIENCE ? half : REQUEUE_PATIENCE;
    if (requeue_job(patience) != OK) {
        log_warn("%s", status_message());
        return;
    }
    log_info("the job is requeued: Slurm ends it and starts it again");
    logbook_event(&r->logbook, &r->state, "requeued", "by Slurm");
}

/** Signals and limits, looked at before every step. @return E_STOPPED once saved; *done when a limit is reached */
static int check_stop(train_run_state *r, bool *done) {
    const config *c = r->setup.config;
    int rc = OK, stop = 0;
    if (ranks_save(&r->setup.ranks)) {
        TRY(save_last(r));
        log_info("saved %s at step %lld, as asked", r->folder.last, (long long)r->state.global_step);
        logbook_event(&r->logbook, &r->state, "saved", "%s, as asked", r->folder.last);
        if (c->dist.requeue && ranks_lead(&r->setup.ranks))
            requeue(r);
    }
    stop = ranks_stop(&r->setup.ranks);
    if (stop != 0) {
        char name[32];
        TRY(save_last(r));
        text_signal(name, stop);
        logbook_event(&r->logbook, &r->state, "stop", "by %s, saved %s", name, r->folder.last);
        rc = fail(E_STOPPED, "stopped by %s at step %lld; saved %s: go on with --resume auto", name,
                  (long long)r->state.global_step, r->folder.last);
        goto done;
    }
    bool steps = c->trainer.max_steps >= 0 && r->state.global_step >= c->trainer.max_steps;
    bool timed_out = c->trainer.max_time > 0 && ranks_seconds(&r->setup.ranks) >= c->trainer.max_time;
    if (steps || timed_out) {
        const char *limit = steps ? "max_steps" : "max_time";
        log_info("trainer.%s is reached at step %lld", limit, (long long)r->state.global_step);
        logbook_event(&r->logbook, &r->state, "stop", "trainer.%s is reached", limit);
    }
    *done = steps || timed_out;
done:
    return rc;
}

/** What ranks did since the row before. */
static int log_pace(train_run_state *r) {
    pace p = ranks_pace_row(&r->setup.ranks);
    return logbook_pace(&r->logbook, &r->state, &p);
}

static int after_step(train_run_state *r, const step_result *step) {
    const config *c = r->setup.config;
    int rc = OK;
    TRY(news_exchange(&r->setup));
    if (r->state.global_step % c->trainer.log_every_n_steps == 0) {
        TRY(logbook_step(&r->logbook, &r->state, step));
        TRY(log_pace(r));
        TRY(logbook_bad_images(&r->logbook, &r->setup, &r->state));
    }
    logbook_device(&r->logbook, &r->state, false);
    /* not after the last step: the epoch's own checkpoint follows its validation */
    if (c->checkpoint.every_n_steps > 0 && r->state.global_step % c->checkpoint.every_n_steps == 0 &&
        r->state.batch_in_epoch < r->setup.train_batches)
        TRY(save_last(r));
done:
    return rc;
}

/** Whether what follows this step asks for its result: a log, a checkpoint, the epoch's end. */
static bool needs_result(const train_run_state *r) {
    const config *c = r->setup.config;
    int64_t next = r->state.global_step + 1;
    return next % c->trainer.log_every_n_steps == 0 ||
           (c->checkpoint.every_n_steps > 0 && next % c->checkpoint.every_n_steps == 0) ||
           r->state.batch_in_epoch + r->setup.row >= r->setup.train_batches;
}

static int one_step(train_run_state *r, epoch_clock *k) {
    step_result step;
    int64_t before = r->state.batch_in_epoch;
    long long images = r->summary->images, own = r->own_images;
    bool wait = needs_result(r);
    int rc = OK;
    if (wait)
        TRY(settle(r));
    TRY(train_step(&step, &r->setup, &r->state, wait));
    TRY(average_step(&r->setup, &r->state, before / r->setup.row));
    TRY(count_step(r, &step));
    images = r->summary->images - images;
    k->images += images;
    k->batches += r->state.batch_in_epoch - before;
    k->pace = ranks_pace(&r->setup.ranks);
    predict(r, k);
    workers_count(&r->setup.workers, r->setup.train_loader, r->own_images - own);
    progress_state shown = shown_state(r, k);
    progress_update(r->progress, &shown);
    TRY(after_step(r, &step));
done:
    return rc;
}

/** Images grow from epoch to epoch where data.progressive_size says so. */
static void set_size(train_run_state *r) {
    const config *c = r->setup.config;
    int64_t epoch = r->state.epoch;
    int size = setup_train_size(c, epoch);
    loader_set_size(r->setup.train_loader, size);
    if (epoch > 0 && size != setup_train_size(c, epoch - 1))
        logbook_event(&r->logbook, &r->state, "size", "images of %d x %d from this epoch on", size, size);
}

/** The training part of an epoch; *done when a limit ended it early. */
static int train_epoch(train_run_state *r, epoch_clock *k, bool *done) {
    train_state *t = &r->state;
    int rc = OK;
    *k = (epoch_clock){.start = clock_seconds(), .waited = loader_waited(r->setup.train_loader), .pace.slowest = -1};
    ranks_begin(&r->setup.ranks, k->waited);
    workers_begin(&r->setup.workers, r->setup.train_loader);
    set_size(r);
    TRY(loader_start(r->setup.train_loader, (uint32_t)t->epoch, t->batch_in_epoch));
    progress_begin(r->progress, "train", t->epoch, r->setup.config->trainer.max_epochs, t->batch_in_epoch,
                   r->setup.train_batches);
    while (t->batch_in_epoch < r->setup.train_batches) {
        TRY(check_stop(r, done));
        if (*done)
            break;
        TRY(one_step(r, k));
    }
    TRY(log_pace(r));
    progress_state shown = shown_state(r, k);
    progress_end(r->progress, &shown);
done:
    r->train_seconds += clock_seconds() - k->start;
    return rc;
}

/** The file the run was resumed from stays. */
static int evict(train_run_state *r, const char *path) {
    bool stays = strcmp(path, r->resumed_from) == 0;
    int rc = OK;
    if (!stays)
        TRY(file_remove(path));
    logbook_event(&r->logbook, &r->state, "evicted", "%s is no longer among the best %d%s", path, r->state.best.k,
                  stays ? " (kept: the run was resumed from it)" : "");
done:
    return rc;
}

/** Saves the epoch's checkpoint when it is among the best. @param[out] evicted what fell out, "" nothing */
static int save_best(char evicted[PATH_BYTES], train_run_state *r, double val_loss) {
    topk *best = &r->state.best;
    char path[PATH_BYTES] = "";
    topk next = {0};
    int rc = OK;
    evicted[0] = 0;
    if (best->k > 0 && r->state.val.images > 0 && topk_admits(best, val_loss)) {
        TRY(topk_init(&next, best->k));
        next.n = best->n;
        memcpy(next.kept, best->kept, (size_t)best->n * sizeof *best->kept);
        TRY(topk_name(path, r->folder.checkpoints, r->state.epoch, val_loss));
        topk_insert(evicted, &next, path, val_loss);
        TRY(snapshot_save(path, &r->setup, &r->state, &next, &r->folder));
        topk swap = *best;
        *best = next;
        next = swap; /* the old list is released below */
        snprintf(r->summary->last, sizeof r->summary->last, "%s", path);
        logbook_event(&r->logbook, &r->state, "best", "val_loss %.6g is among the best %d: %s", val_loss, best->k,
                      path);
    }
done:
    topk_deinit(&next);
    return rc;
}

/** On rank 0 that and last.ckpt; only then deletes what fell out. */
static int save_epoch(train_run_state *r, double val_loss) {
    char evicted[PATH_BYTES] = "";
    int rc = OK;
    TRY(comm_agree(r->setup.ranks.comm, train_leads(r) ? save_best(evicted, r, val_loss) : OK));
    if (r->setup.config->checkpoint.save_last)
        TRY(save_last(r));
    if (evicted[0] != 0)
        TRY(evict(r, evicted));
done:
    return rc;
}

/** Moves the schedule on; a change of the LR goes into the journal. */
static void end_schedule(train_run_state *r, double val_loss) {
    train_state *t = &r->state;
    double before = t->schedule.state.last_lr;
    char reason[128];
    if (schedule_end_epoch(&t->schedule, t->epoch, val_loss))
        logbook_event(&r->logbook, t, "lr", "%.6g -> %.6g: %s", before, t->schedule.state.last_lr,
                      schedule_reason(reason, &t->schedule));
    else if (t->epoch + 1 == t->schedule.warmup_epochs)
        logbook_event(&r->logbook, t, "lr", "%.6g: end of the warm-up", t->schedule.state.last_lr);
}

/** Distributions of weights and gradients, while those of the epoch's last step are still there. */
static int log_distributions(train_run_state *r, const epoch_clock *k) {
    int every = r->setup.config->monitor.histogram_every_n_epochs;
    if (every == 0 || (r->state.epoch + 1) % every != 0 || k->batches == 0) /* none by this process: logged before */
        return OK;
    return logbook_histograms(&r->logbook, &r->setup, &r->state);
}

static void tell_epoch(const train_run_state *r, const epoch_clock *k, double lr, double images_per_second,
                       double wait) {
    const train_state *t = &r->state;
    char val[128] = "no validation", ranks[192] = "";
    if (t->val.images > 0)
        snprintf(val, sizeof val, "val loss %.4f, top-1 %.2f%%, top-5 %.2f%%", metrics_loss(&t->val),
                 100 * metrics_top1(&t->val), 100 * metrics_top5(&t->val));
    if (k->pace.slowest >= 0)
        snprintf(ranks, sizeof ranks,
                 "; communication %.1f%%, slowest rank %d on %s: %.0f%% longer than the others, data wait %.1f%%",
                 100 * k->pace.comm, k->pace.slowest, ranks_host(&r->setup.ranks, k->pace.slowest),
                 100 * k->pace.excess, 100 * k->pace.loaded);
    log_info("epoch %lld/%d: train loss %.4f, top-1 %.2f%%; %s; LR %.3g; %.1f images/s, data wait %.1f%%%s",
             (long long)t->epoch + 1, r->setup.config->trainer.max_epochs, metrics_loss(&t->train),
             100 * metrics_top1(&t->train), val, lr, images_per_second, 100 * wait, ranks);
}

/** Validates the average of the weights where there is one. The weights that train are back in any case. */
static int validate(train_run_state *r) {
    const evaluate_extras extras = {.wrong = r->wrong.capacity > 0 ? &r->wrong : NULL};
    int rc = OK;
    TRY(average_swap(&r->setup));
    rc = share_statistics(&r->setup);
    if (rc == OK)
        rc = evaluate(&r->state.val, &extras, &r->setup, r->progress, r->state.epoch);
    int back = average_swap(&r->setup);
    rc = rc != OK ? rc : back;
done:
    return rc;
}

static int end_epoch(train_run_state *r, const epoch_clock *k) {
    train_state *t = &r->state;
    double lr = schedule_lr(&t->schedule, t->epoch, r->setup.steps_per_epoch - 1, r->setup.steps_per_epoch);
    double speed = k->images > 0 ? images_per_second(k) : NAN, waited = k->images > 0 ? wait_share(r, k) : NAN;
    int rc = OK;
    TRY(log_distributions(r, k));
    r->judged = false;
    if (r->setup.val_batches > 0) {
        rc = validate(r);
        if (rc == E_STOPPED) {
            bool done = false;
            rc = check_stop(r, &done); /* saves: the resumed run validates first */
            goto done;
        }
        TRY(rc);
        TRY(news_exchange(&r->setup));
        r->judged = true;
    }
    double val_loss = metrics_loss(&t->val);
    end_schedule(r, val_loss);
    t->epoch_done = true;
    TRY(save_epoch(r, val_loss)); /* first: an epoch's work is worth more than its line in a log */
    TRY(logbook_epoch(&r->logbook, t, lr, speed, waited));
    logbook_device(&r->logbook, t, true);
    TRY(logbook_bad_images(&r->logbook, &r->setup, t));
    if (train_leads(r))
        tell_epoch(r, k, lr, speed, waited);
    r->summary->train = t->train;
    r->summary->val = t->val;
    t->epoch++;
    t->batch_in_epoch = 0;
    t->train = (metrics){0};
    t->epoch_done = false;
    if (train_leads(r))
        publish(r, "running", false);
done:
    return rc;
}

static int run_epochs(train_run_state *r) {
    bool done = false;
    int rc = OK;
    while (r->state.epoch < r->setup.config->trainer.max_epochs) {
        epoch_clock k = {0};
        TRY(train_epoch(r, &k, &done));
        if (done) {
            TRY(save_last(r));
            break;
        }
        TRY(end_epoch(r, &k));
    }
done:
    return rc;
}

static void summarise(train_run_state *r) {
    train_summary *s = r->summary;
    const ckpt_kept *best = topk_best(&r->state.best);
    s->seconds = clock_seconds() - r->started;
    s->images_per_second = r->train_seconds > 0 ? (double)s->images / r->train_seconds : 0;
    s->epochs_done = r->state.epoch;
    s->global_step = r->state.global_step;
    s->best_loss = best != NULL ? best->value : NAN;
    snprintf(s->best, sizeof s->best, "%s", best != NULL ? best->path : "");
    snprintf(s->logs, sizeof s->logs, "%s", r->folder.logs);
}

/** After an error: what can still be kept is. The first message stays, with where to go on from. */
static void rescue(train_run_state *r, int error) {
    status_saved first;
    status_save(&first, error);
    if (logbook_bad_images(&r->logbook, &r->setup, &r->state) != OK)
        log_warn("bad_images.txt is not complete: %s", status_message());
    if (error != E_STOPPED)
        logbook_event(&r->logbook, &r->state, "error", "%s", first.message);
    bool worth = error != E_STOPPED && !r->state.in_step && !r->saving && r->state.global_step > r->started_step;
    if (!worth)
        status_restore(&first);
    else if (save_last(r) == OK)
        fail(error, "%s (saved %s at step %lld: go on with --resume auto)", first.message, r->folder.last,
             (long long)r->state.global_step);
    else
        fail(error, "%s (and the run could not be saved)", first.message);
}

/** The first batch of a new run goes to TensorBoard, as a picture. */
static void show_batch(void *context, const batch *b) {
    train_run_state *r = context;
    r->setup.on_batch = NULL;
    if (logbook_batch(&r->logbook, b) != OK)
        log_warn("the first batch is not shown: %s", status_message());
}

int train_run(train_summary *out, const config *c, const train_hooks *h) {
    train_run_state r;
    int rc = OK;
    TRY(train_start(&r, out, c, h));
    r.started_step = r.state.global_step;
    if (r.state.global_step == 0 && train_leads(&r)) {
        r.setup.on_batch = show_batch;
        r.setup.on_batch_context = &r;
    }
    TRY(run_epochs(&r));
done:
    ranks_failed(h->comm, rc);
    if (rc != OK && r.logbook.folder != NULL)
        rescue(&r, rc);
    summarise(&r);
    if (r.logbook.folder != NULL)
        publish_end(&r, rc, r.state.epoch >= c->trainer.max_epochs);
    status_saved first;
    status_save(&first, rc);
    int closed = train_finish(&r);
    return rc != OK ? status_restore(&first) : closed;
}
