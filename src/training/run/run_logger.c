#include "training/run/run_logger.h"

#include "base/log.h"
#include "base/status.h"
#include "training/run/run_logger_parts.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum column {
    LOSS_STEP,
    LR,
    GRAD_NORM,
    LOSS_EPOCH,
    TRAIN_ACC,
    VAL_LOSS,
    VAL_ACC,
    VAL_TOP5,
    SCALE,
    SKIPPED,
    SPEED,
    WAIT,
    COLUMNS
};

static const char *const column_name[COLUMNS] = {
    "train_loss_step", "lr-SGD",       "grad_norm", "train_loss_epoch", "train_acc",         "val_loss",
    "val_acc",         "val_acc_top5", "scale",     "skipped_steps",    "images_per_second", "data_wait"};

/** As Lightning's LearningRateMonitor: the name of the optimizer's class. */
static const char *lr_column(const config *c) {
    static const char *const name[] = {"lr-SGD", "lr-AdamW", "lr-RMSprop", "lr-Lamb", "lr-Lars"};
    return name[run_context_optimizer(c)];
}

static int write_hparams(const char *folder, const config *c) {
    char path[PATH_BYTES];
    text yaml = {0};
    int rc = OK;
    TRY(path_join(path, folder, "hparams.yaml"));
    TRY(config_to_yaml(&yaml, c));
    TRY(file_write_atomic(path, yaml.data, yaml.n));
done:
    text_deinit(&yaml);
    return rc;
}

/** The samples are in a separate file, so that a run whose metrics.csv was written by an older version can be
 *  resumed. */
static int open_samples(run_logger *b, int64_t global_step) {
    static const char *const name[] = {"samples"};
    char path[PATH_BYTES];
    int rc = OK;
    TRY(path_join(path, b->folder, "samples.csv"));
    TRY(csv_trim(path, global_step - 1, false, NULL));
    TRY(csv_open(&b->samples, path, name, 1));
done:
    return rc;
}

enum timing_column { COMM, SLOWEST, EXCESS, SLOWEST_WAIT, TIMING_COLUMNS };
static const char *const timing_name[TIMING_COLUMNS] = {"comm", "slowest", "excess", "slowest_data_wait"};

/** Opens ranks.csv, which only a run with several ranks writes. If a run is resumed with one rank, existing rows are
 *  kept. */
static int open_ranks(run_logger *b, int64_t global_step, int ranks) {
    char path[PATH_BYTES];
    int rc = OK;
    TRY(path_join(path, b->folder, "ranks.csv"));
    TRY(csv_trim(path, global_step - 1, false, NULL));
    if (ranks > 1)
        TRY(csv_open(&b->ranks, path, timing_name, TIMING_COLUMNS));
done:
    return rc;
}

/** Older versions called the journal events.log; it is renamed and continued. */
static int open_journal(run_logger *b) {
    char path[PATH_BYTES], older[PATH_BYTES];
    int rc = OK;
    TRY(path_join(path, b->folder, "journal.log"));
    TRY(path_join(older, b->folder, "events.log"));
    if (!file_exists(path) && file_exists(older) && rename(older, path) != 0) {
        rc = fail_errno(errno, "cannot rename %s to %s", older, path);
        goto done;
    }
    TRY(journal_open(&b->journal, path));
done:
    return rc;
}

int run_logger_open(run_logger *b, const run_folder *f, const config *c, const train_state *t, const char *again,
                    int ranks) {
    int64_t global_step = t->global_step;
    const char *columns[COLUMNS];
    char path[PATH_BYTES];
    int rc = OK;
    *b = (run_logger){.folder = f->logs, .opened = clock_seconds(), .lr_name = lr_column(c)};
    for (int i = 0; i < COLUMNS; i++)
        columns[i] = i == LR ? b->lr_name : column_name[i];
    TRY(path_join(path, f->logs, "metrics.csv"));
    /* loggers count steps from 0: the last one kept is global_step - 1 */
    TRY(csv_trim(path, t->global_step - 1, true, again));
    TRY(tb_events_trim(f->logs, global_step > 0 ? global_step - 1 : 0)); /* entries logged once per run have step 0 */
    TRY(csv_open(&b->csv, path, columns, COLUMNS));
    TRY(open_samples(b, global_step));
    TRY(open_ranks(b, global_step, ranks));
    TRY(tb_events_open(&b->tb_events, f->logs));
    TRY(open_journal(b));
    TRY(write_hparams(f->logs, c));
    TRY(path_join(path, f->logs, "bad_images.txt"));
    if (c->data.changed) /* they are detected again */
        TRY(file_remove(path));
    if (c->monitor.device_seconds > 0)
        TRY(run_logger_watch_device(b, c->monitor.device_seconds, global_step));
done:
    if (rc != OK) {
        status_saved first;
        status_save(&first, rc);
        run_logger_close(b);
        status_restore(&first);
    }
    return rc;
}

int run_logger_close(run_logger *b) {
    const int closed[] = {tb_events_close(b->tb_events), csv_close(b->csv),    csv_close(b->samples),
                          csv_close(b->ranks),           csv_close(b->device), journal_close(b->journal)};
    int rc = OK;
    for (size_t i = 0; rc == OK && i < sizeof closed / sizeof *closed; i++)
        rc = closed[i];
    device_stats_close(b->stats);
    *b = (run_logger){0};
    return rc;
}

void run_logger_event(run_logger *b, const train_state *t, const char *kind, const char *format, ...) {
    if (b->folder == NULL)
        return;
    char message[1024];
    status_saved before; /* the caller may still need it */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    status_save(&before, OK);
    bool whole = t->epoch > 0 && t->batch_in_epoch == 0 && strcmp(kind, "end") == 0; /* the last epoch has ended */
    if (journal_line(b->journal, whole ? t->epoch - 1 : t->epoch, t->global_step, kind, "%s", message) == OK)
        return;
    if (!b->journal_failed)
        log_warn("journal.log is incomplete: %s", status_message());
    b->journal_failed = true;
    status_restore(&before);
}

int run_logger_scalar(run_logger *b, const char *tag, int64_t step, double value) {
    mlflow_metric(b->mlflow, tag, value);
    return tb_events_scalar(b->tb_events, tag, step, value);
}

/** Writes one row of metrics.csv and its scalars; NaN cells that were not set remain empty. */
static int log_row(run_logger *b, const train_state *t, const double *value, const char *present) {
    int64_t step = t->global_step - 1;
    int rc = OK, full = csv_row(b->csv, t->epoch, step, value, present);
    TRY(full == E_FULL ? OK : full);
    TRY(run_logger_scalar(b, "epoch", step, (double)t->epoch));
    for (int i = 0; i < COLUMNS; i++)
        if (present[i])
            TRY(run_logger_scalar(b, i == LR ? b->lr_name : column_name[i], step, value[i]));
    TRY(tb_events_flush(b->tb_events));
done:
    mlflow_row(b->mlflow, step);
    return rc != OK ? rc : full;
}

int run_logger_step(run_logger *b, const train_state *t, const step_result *r) {
    if (b->folder == NULL)
        return OK;
    double value[COLUMNS] = {[LOSS_STEP] = metrics_loss(&r->metrics),
                             [LR] = r->lr,
                             [GRAD_NORM] = r->grad_norm,
                             [SCALE] = r->scale,
                             [SKIPPED] = (double)t->scaler.skipped};
    char scaling = t->scaler.on ? 1 : 0;
    char present[COLUMNS] = {[LOSS_STEP] = 1, [LR] = 1, [GRAD_NORM] = 1, [SCALE] = scaling, [SKIPPED] = scaling};
    const double samples = (double)r->samples;
    int rc = OK, full = log_row(b, t, value, present);
    TRY(full == E_FULL ? OK : full);
    TRY(csv_row(b->samples, t->epoch, t->global_step - 1, &samples, "\1"));
done:
    return rc != OK ? rc : full;
}

int run_logger_timing(run_logger *b, const train_state *t, const rank_timing *p) {
    static const char all[TIMING_COLUMNS] = {1, 1, 1, 1};
    const double value[TIMING_COLUMNS] = {p->comm, p->slowest, p->excess, p->loaded};
    char tag[32];
    int rc = OK;
    if (b->ranks == NULL || p->slowest < 0)
        return OK;
    TRY(csv_row(b->ranks, t->epoch, t->global_step - 1, value, all));
    for (int i = 0; i < TIMING_COLUMNS; i++) {
        snprintf(tag, sizeof tag, "ranks/%s", timing_name[i]);
        TRY(run_logger_scalar(b, tag, t->global_step - 1, value[i]));
    }
done:
    mlflow_row(b->mlflow, t->global_step - 1);
    return rc;
}

int run_logger_epoch(run_logger *b, const train_state *t, double lr, double images_per_second, double data_wait) {
    if (b->folder == NULL)
        return OK;
    double value[COLUMNS] = {[LR] = lr,
                             [LOSS_EPOCH] = metrics_loss(&t->train),
                             [TRAIN_ACC] = metrics_top1(&t->train),
                             [VAL_LOSS] = metrics_loss(&t->val),
                             [VAL_ACC] = metrics_top1(&t->val),
                             [VAL_TOP5] = metrics_top5(&t->val),
                             [SPEED] = images_per_second,
                             [WAIT] = data_wait};
    char val = t->val.images > 0 ? 1 : 0;
    char present[COLUMNS] = {[LR] = 1,
                             [LOSS_EPOCH] = 1,
                             [TRAIN_ACC] = 1,
                             [VAL_LOSS] = val,
                             [VAL_ACC] = val,
                             [VAL_TOP5] = val,
                             [SPEED] = isnan(images_per_second) ? 0 : 1,
                             [WAIT] = isnan(data_wait) ? 0 : 1};
    return log_row(b, t, value, present);
}

int run_logger_validation(run_logger *b, const train_state *t) {
    if (b->folder == NULL)
        return OK;
    double value[COLUMNS] = {
        [VAL_LOSS] = metrics_loss(&t->val), [VAL_ACC] = metrics_top1(&t->val), [VAL_TOP5] = metrics_top5(&t->val)};
    char present[COLUMNS] = {[VAL_LOSS] = 1, [VAL_ACC] = 1, [VAL_TOP5] = 1};
    return log_row(b, t, value, present);
}

static int list_bad(text *out, const dataset *d, loader *l) {
    const bad_image *bad = NULL;
    int64_t n = loader_bad(&bad, l);
    int rc = OK;
    char path[PATH_BYTES];
    for (int64_t i = 0; i < n; i++) {
        if (d->location != NULL) /* in a shard: the path that the image had when it was packed */
            TRY(path_join(path, d->root, dataset_name(d, bad[i].index)));
        else
            TRY(dataset_path(path, d, bad[i].index));
        TRY(text_printf(out, "%s\t%s\n", path, bad[i].message != NULL ? bad[i].message : ""));
    }
done:
    return rc;
}

/** Warns about the first bad image of a loader whose cause this process knows. */
static void tell_first(run_logger *b, loader *l) {
    const bad_image *bad = NULL;
    int64_t n = loader_bad(&bad, l);
    for (int64_t i = 0; i < n && !b->bad_reported; i++) {
        b->bad_reported = !bad[i].declared;
        if (b->bad_reported)
            log_warn("unreadable image: %s", bad[i].message);
    }
}

int run_logger_bad_images(run_logger *b, const run_context *s, const train_state *t) {
    if (b->folder == NULL)
        return OK;
    const bad_image *bad = NULL;
    char path[PATH_BYTES];
    text list = {0};
    int rc = OK;
    int64_t bad_n = loader_bad(&bad, s->train_loader) + loader_bad(&bad, s->val_loader);
    if (bad_n == 0)
        return OK;
    TRY(path_join(path, b->folder, "bad_images.txt"));
    TRY(list_bad(&list, s->train, s->train_loader));
    TRY(list_bad(&list, s->val, s->val_loader));
    if (list.n != b->bad_bytes) { /* it only grows: more images, or a cause that was missing */
        TRY(file_write_atomic(path, list.data, list.n));
        run_logger_event(b, t, "bad_image", "%lld unreadable images so far, listed in bad_images.txt",
                         (long long)bad_n);
        if (bad_n > b->bad_counted) { /* not for images that an earlier run has reported */
            tell_first(b, s->train_loader);
            tell_first(b, s->val_loader);
        }
    }
    b->bad_bytes = list.n;
done:
    text_deinit(&list);
    return rc;
}

void run_logger_count_bad(run_logger *b, const run_context *s, const train_state *t) {
    const bad_image *bad = NULL;
    if (b->folder == NULL)
        return;
    int64_t train = loader_bad(&bad, s->train_loader), val = loader_bad(&bad, s->val_loader);
    if (train + val > b->bad_counted)
        log_warn("epoch %lld: %lld of the %lld training images and %lld of the %lld validation images cannot be read; "
                 "see %s/bad_images.txt",
                 (long long)t->epoch + 1, (long long)train, (long long)s->train->image_n, (long long)val,
                 (long long)s->val->image_n, b->folder);
    b->bad_counted = train + val;
}
