#include "training/run/run_open.h"

#include "base/log.h"
#include "base/status.h"
#include "dataset/splits/dataset_checks.h"
#include "report/report.h"
#include "training/batch_fit.h"
#include "training/broadcast.h"
#include "training/checkpoint.h"
#include "training/ema.h"
#include "training/resume.h"
#include "training/run/run_live.h"
#include "training/run/run_mlflow.h"
#include "training/run/run_monitor.h"
#include "training/run/validation.h"
#include "training/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int load_init(train_run_state *r, const char *path, const char *key) {
    ckpt *c = NULL;
    int rc = OK;
    TRY(ckpt_load_key(&c, path, key));
    TRY(weights_init(&r->context, c, path));
    TRY(ema_restart(&r->context));
    log_info("initial weights from %s%s%s", path, key[0] != 0 ? ", " : "", key);
done:
    ckpt_free(c);
    return rc;
}

static int resume(train_run_state *r, const config *c) {
    ckpt *from = NULL;
    int rc = OK, free_version = 0;
    TRY(resume_free_version(&free_version, &r->folder));
    TRY(resume_load(&from, r->resumed_from, c, &r->folder));
    if (from == NULL) {
        if (c->model.init[0] != 0)
            TRY(load_init(r, c->model.init, c->model.init_key));
        else if (c->model.init_key[0] != 0 && c->trainer.resume[0] == 0) {
            rc = fail(E_OPTION, "model.init_key selects weights of a checkpoint: give the file with --init");
            goto done;
        } else if (r->context.model->frozen_layer_n > 0)
            log_warn("model.freeze %s without --init: the frozen layers keep their random initial weights",
                     c->model.freeze);
        TRY(run_folder_logs(&r->folder, c->trainer.out, c->model.arch, -1, free_version, ""));
        r->new_logs = true;
        goto done;
    }
    TRY(checkpoint_restore(&r->context, &r->state, from, r->resumed_from, &r->folder));
    int version = run_folder_holds(&r->folder, r->resumed_from) ? checkpoint_version(from) : -1;
    TRY(run_folder_logs(&r->folder, c->trainer.out, c->model.arch, version, free_version, from->last_path));
    if (version >= 0)
        resume_warn_older(from, r->resumed_from, &r->folder);
    snprintf(r->summary->last, sizeof r->summary->last, "%s", r->resumed_from);
    r->new_logs = version < 0;
    r->resumed_lr = from->schedule.base_lr;
    log_info("resumed from %s: epoch %lld, batch %lld, step %lld, LR %.4g", r->resumed_from,
             (long long)r->state.epoch + 1, (long long)r->state.batch_in_epoch, (long long)r->state.global_step,
             schedule_lr(&r->state.schedule, r->state.epoch,
                         r->state.batch_in_epoch / r->context.micro_batches_per_step, r->context.steps_per_epoch));
done:
    ckpt_free(from);
    return rc;
}

static void describe(const train_run_state *r) {
    const run_metadata *f = &r->record.run;
    for (int i = 0; i < f->n; i++)
        log_info("%-10s %s", f->list[i].name, f->list[i].value);
    log_info("logs       %s", r->folder.logs);
    log_info("checkpoints %s", r->folder.checkpoints);
}

static int write_record(train_run_state *r) {
    if (r->run_logger.folder == NULL)
        return OK;
    return run_record_write(&r->record, r->folder.logs, clock_seconds() - r->started, &r->state.best, r->summary->last);
}

/** Logs the result of the LR finder, whether or not it has found a rate. */
static int log_finding(train_run_state *r) {
    const lr_finding *f = &r->finding;
    text png = {0};
    char path[PATH_BYTES];
    int rc = OK;
    r->record.found_lr = true;
    r->record.suggestion = f->suggestion;
    snprintf(r->record.why, sizeof r->record.why, "%s", f->why);
    if (r->run_logger.folder == NULL)
        goto done;
    TRY(run_logger_lr_finder(&r->run_logger, f));
    TRY(write_record(r));
    rc = report_finder(&png, r->folder.logs);
    if (rc == E_UNSUPPORTED) {
        log_warn("cannot draw lr_finder_plot.png: %s", status_message());
        rc = OK;
        goto done;
    }
    TRY(rc);
    TRY(path_join(path, r->context.config->trainer.out, "lr_finder_plot.png"));
    TRY(file_write_atomic(path, png.data, png.n));
    TRY(tb_events_image(r->run_logger.tb_events, "lr_finder", 0, png.data, png.n, PLOT_WIDTH, PLOT_HEIGHT));
done:
    text_deinit(&png);
    return rc;
}

static int find_lr(train_run_state *r) {
    const lr_finding *f = &r->finding;
    const config *c = r->context.config;
    int rc = OK;
    log_info("LR finder  %d sweep%s of %d steps from %g to %g", c->lr_finder.sweeps, c->lr_finder.sweeps > 1 ? "s" : "",
             c->lr_finder.steps, c->lr_finder.min, c->lr_finder.max);
    rc = lr_finder_run(&r->finding, &r->context, r->progress);
    if (rc == E_STOPPED)
        run_logger_event(&r->run_logger, &r->state, "stop",
                         "during the LR finder, before training: no checkpoint was saved");
    TRY(rc);
    TRY(log_finding(r));
    if (isnan(f->suggestion)) {
        run_logger_event(&r->run_logger, &r->state, "lr_finder", "no suggestion: %s", f->why);
        rc = fail(E_DATA, "the LR finder found no suitable learning rate: %s, or set one with --lr", f->why);
        goto done;
    }
    const bool by_valley = lr_finder_by_valley(c), noise = !by_valley && f->plain != f->suggestion;
    const char *where =
        by_valley ? "in the middle of the longest decrease of the loss" : "where the loss decreases fastest";
    if (noise)
        log_warn("the loss decreases fastest at LR %.3g, but its minimum is at a much higher LR, %.3g: this point is "
                 "ignored as noise. For a suggestion that depends less on noise, set --lr_finder.rule valley, or "
                 "--sweeps 5 for a smoother curve",
                 f->plain, f->lowest);
    run_logger_event(&r->run_logger, &r->state, "lr_finder", "suggested LR %.4g, %s; smoothed loss %.4f there%s",
                     f->suggestion, where, f->loss, noise ? " (lower rates ignored as noise)" : "");
    log_info("LR finder  suggests %.4g, %s", f->suggestion, where);
    r->context.base_lr = f->suggestion;
    TRY(schedule_init(&r->state.schedule, c, f->suggestion));
done:
    return rc;
}

/** Writes the first entries of the journal, and the entries that a log folder gets only once. */
static int log_beginning(train_run_state *r) {
    const run_context *s = &r->context;
    int rc = OK;
    if (r->resumed_from[0] != 0)
        run_logger_event(&r->run_logger, &r->state, "resume", "from %s", r->resumed_from);
    else
        run_logger_event(&r->run_logger, &r->state, "start", "%s", r->record.title);
    if (r->resumed_lr > 0 && r->resumed_lr != s->base_lr)
        run_logger_event(&r->run_logger, &r->state, "lr",
                         "base LR %.6g -> %.6g: changed by the options given with --resume", r->resumed_lr, s->base_lr);
    TRY(write_record(r)); /* from here on a report can be made */
    if (s->base_lr == 0)
        TRY(find_lr(r));
    if (r->new_logs)
        TRY(run_logger_start(&r->run_logger, s));
    if (s->config->schedule.warmup_epochs > r->state.epoch)
        run_logger_event(&r->run_logger, &r->state, "lr", "warm-up from %.6g to %.6g in %d epochs",
                         s->base_lr * s->config->schedule.warmup_start, s->base_lr, s->config->schedule.warmup_epochs);
    if (train_leads(r))
        metadata_of_run(&r->record.run, s, &r->memory); /* the LR is known now */
    TRY(write_record(r));
done:
    return rc;
}

/** Existing checkpoints that the run will keep are not counted as needed space. */
static void warn_disk(const train_run_state *r) {
    int kept = 0;
    for (int i = 0; i < r->state.best.n; i++)
        kept += file_exists(r->state.best.kept[i].path);
    disk_space_warn_peak(r->folder.checkpoints, &r->context, r->state.epoch, kept, file_exists(r->folder.last));
}

/** Opens the folder on rank 0; every rank gets the result. */
static int open_folder(train_run_state *r, const config *c, bool saves) {
    int rc = train_leads(r) ? run_folder_open(&r->folder, c->trainer.out, c->model.arch) : OK;
    if (train_leads(r) && saves && rc == OK)
        rc = disk_space_check(r->folder.checkpoints, &r->context);
    return comm_agree(r->context.ranks.comm, rc);
}

static int open_logs(train_run_state *r, const config *c, bool monitored) {
    const bad_image *known = NULL;
    int rc = OK;
    if (!train_leads(r))
        return OK;
    if (monitored)
        TRY(run_monitor_open(r));
    bool ends_epoch = r->state.batch_in_epoch == r->context.train_batches;
    const char *again = ends_epoch ? "train_loss_epoch" : validation_due(r) ? "val_loss" : NULL;
    TRY(run_logger_open(&r->run_logger, &r->folder, c, &r->state, again, comm_ranks(r->context.ranks.comm)));
    r->run_logger.bad_counted =
        loader_bad(&known, r->context.train_loader) + loader_bad(&known, r->context.val_loader); /* by an earlier run */
    run_record_open(&r->record, r->folder.logs, &r->context, &r->memory);
    r->run_logger.seconds_before = r->record.seconds_before;
    if (monitored)
        TRY(run_mlflow_open(r));
    if (r->hooks->opened != NULL)
        r->hooks->opened(r->folder.logs, c->monitor.report ? c->trainer.out : "");
done:
    return rc;
}

int run_open(train_run_state *r, train_summary *out, const config *c, const train_hooks *h, bool saves) {
    bool monitored = saves && !c->trainer.dry_run;
    int rc = OK;
    *out = (train_summary){.best_score = NAN};
    double now = clock_seconds();
    *r = (train_run_state){.hooks = h, .summary = out, .folder = {.lock_fd = -1}, .started = now, .published = now};
    TRY(config_check(c));
    TRY(comm_agree(h->comm, monitored && comm_rank(h->comm) == 0 ? run_mlflow_check(c) : OK));
    /* before the data are read, which may take minutes, and before anything is written */
    TRY(comm_agree(h->comm, monitored && comm_rank(h->comm) == 0 ? run_live_listen(r, c) : OK));
    TRY(run_context_open(&r->context, c, h->comm));
    TRY(comm_agree(h->comm, train_leads(r) ? dataset_warn(r->context.train, r->context.val) : OK));
    r->context.ranks.stop = h->stop;
    r->context.ranks.save = h->save;
    TRY(open_folder(r, c, saves));
    TRY(train_state_init(&r->state, c, r->context.base_lr, r->context.precision == PRECISION_16));
    TRY(run_context_compile(&r->memory, &r->context));
    TRY(comm_agree(h->comm, train_leads(r) ? resume(r, c) : OK));
    TRY(broadcast_state(&r->context, &r->state));
    if (r->state.epoch >= c->trainer.max_epochs) {
        log_info("all %lld epochs are already done: raise trainer.max_epochs to continue", (long long)r->state.epoch);
        goto done;
    }
    if (r->state.early_stopping.stop) {
        log_info("early stopping has already ended this run: raise early_stopping.patience to continue");
        goto done;
    }
    TRY(comm_agree(h->comm, open_logs(r, c, monitored)));
    TRY(misclassified_init(&r->wrong, c->monitor.report ? c->monitor.worst_images : 0));
    TRY(progress_open(&r->progress, train_leads(r) ? &h->progress : &(progress_options){0}));
    r->disk.saved_step = r->state.global_step;
    if (train_leads(r) && monitored) /* the dry run has already checked the real run */
        warn_disk(r);
    TRY(log_beginning(r));
    if (train_leads(r))
        describe(r);
done:
    return rc;
}

int run_close(train_run_state *r) {
    int rc = run_logger_close(&r->run_logger);
    run_mlflow_close(r);
    run_monitor_close(r);
    progress_close(r->progress);
    misclassified_deinit(&r->wrong);
    lr_finding_deinit(&r->finding);
    train_state_deinit(&r->state);
    run_folder_close(&r->folder);
    run_context_close(&r->context);
    return rc;
}
