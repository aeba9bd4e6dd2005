/* Writes the checkpoint's dictionary in Lightning's layout. */

#include "checkpoint/layout.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

const layout_field layout_progress[] = {
    {"epoch", 'q', offsetof(ckpt, epoch)},
    {"global_step", 'q', offsetof(ckpt, global_step)},
    {"batches_per_epoch", 'q', offsetof(ckpt, batches_per_epoch)},
    {"batch_in_epoch", 'q', offsetof(ckpt, batch_in_epoch)},
    {"epoch_done", 'b', offsetof(ckpt, epoch_done)},
    {"param_n", 'i', offsetof(ckpt, param_n)},
    {"best_value", 'd', offsetof(ckpt, best_value)},
    {"current_value", 'd', offsetof(ckpt, current_value)},
    {0},
};

const layout_field layout_grad_scaler[] = {
    {"scale", 'd', offsetof(ckpt_grad_scaler, scale)},
    {"growth_factor", 'd', offsetof(ckpt_grad_scaler, growth_factor)},
    {"backoff_factor", 'd', offsetof(ckpt_grad_scaler, backoff_factor)},
    {"growth_interval", 'i', offsetof(ckpt_grad_scaler, growth_interval)},
    {"_growth_tracker", 'i', offsetof(ckpt_grad_scaler, growth_tracker)},
    {0},
};

const layout_field layout_early_stopping[] = {
    {"max", 'b', offsetof(ckpt_early_stopping, max)},
    {"wait_count", 'q', offsetof(ckpt_early_stopping, wait_count)},
    {"stopped_epoch", 'q', offsetof(ckpt_early_stopping, stopped_epoch)},
    {"patience", 'i', offsetof(ckpt_early_stopping, patience)},
    {"best_score", 'd', offsetof(ckpt_early_stopping, best_score)},
    {0},
};

void layout_write_fields(pickle *p, const layout_field *fields, const void *object) {
    for (const layout_field *f = fields; f->key != NULL; f++) {
        const void *at = (const char *)object + f->offset;
        switch (f->kind) {
        case 'q': pickle_item_int(p, f->key, *(const int64_t *)at); break;
        case 'i': pickle_item_int(p, f->key, *(const int *)at); break;
        case 'd': pickle_item_float(p, f->key, *(const double *)at); break;
        default: pickle_item_bool(p, f->key, *(const bool *)at); break;
        }
    }
}

static void write_list(pickle *p, const ckpt_item *item) {
    pickle_string(p, item->key);
    pickle_list(p);
    for (int64_t i = 0; i < item->i; i++)
        pickle_string(p, item->list[i]);
    pickle_list_end(p);
}

static void write_items(pickle *p, const ckpt_item *items, int n) {
    for (int i = 0; i < n; i++) {
        const ckpt_item *item = &items[i];
        switch (item->kind) {
        case 'i': pickle_item_int(p, item->key, item->i); break;
        case 'd': pickle_item_float(p, item->key, item->d); break;
        case 'b': pickle_item_bool(p, item->key, item->i != 0); break;
        case 'l': write_list(p, item); break;
        default: pickle_item_string(p, item->key, item->s != NULL ? item->s : ""); break;
        }
    }
}

/* --- loops: the progress of the run in Lightning's counters --- */

/** {"ready": .., "completed": .., ...}: the first n of ready, completed, started, processed. */
static void write_counts(pickle *p, const char *key, int n, int64_t ready, int64_t completed, int64_t processed) {
    pickle_item_dict(p, key);
    pickle_item_int(p, "ready", ready);
    pickle_item_int(p, "completed", completed);
    if (n > 2)
        pickle_item_int(p, "started", ready);
    if (n > 3)
        pickle_item_int(p, "processed", processed);
    pickle_dict_end(p);
}

/** {"total": counts, "current": counts}, in each of which all n counters are equal. */
static void write_progress(pickle *p, const char *key, int n, int64_t total, int64_t current) {
    pickle_item_dict(p, key);
    write_counts(p, "total", n, total, total, total);
    write_counts(p, "current", n, current, current, current);
    pickle_dict_end(p);
}

static void write_batch_progress(pickle *p, const char *key, int64_t total, int64_t current, int is_last) {
    pickle_item_dict(p, key);
    write_counts(p, "total", 4, total, total, total);
    write_counts(p, "current", 4, current, current, current);
    if (is_last >= 0)
        pickle_item_bool(p, "is_last_batch", is_last > 0);
    pickle_dict_end(p);
}

static void write_empty(pickle *p, const char *key) {
    pickle_item_dict(p, key);
    pickle_dict_end(p);
}

static void write_fit_loop(pickle *p, const ckpt *c) {
    bool last = c->batches_per_epoch > 0 && c->batch_in_epoch >= c->batches_per_epoch;
    int64_t batches = c->epoch * c->batches_per_epoch + c->batch_in_epoch, steps = c->global_step;
    int64_t per_step = steps > 0 && batches > steps ? (batches + steps - 1) / steps : 1; /* accumulation */
    int64_t steps_now = (c->batch_in_epoch + per_step - 1) / per_step;
    int64_t ready = c->epoch + 1, processed = c->epoch + (c->epoch_done ? 1 : 0);
    int64_t scheduled = c->schedule.kind != CKPT_SCHEDULE_NONE ? processed : 0;
    pickle_item_dict(p, "fit_loop");
    write_empty(p, "state_dict");
    pickle_item_dict(p, "epoch_loop.state_dict");
    pickle_item_int(p, "_batches_that_stepped", steps);
    pickle_dict_end(p);
    write_batch_progress(p, "epoch_loop.batch_progress", batches, c->batch_in_epoch, last);
    write_progress(p, "epoch_loop.scheduler_progress", 2, scheduled, c->epoch_done && scheduled > 0);
    write_empty(p, "epoch_loop.automatic_optimization.state_dict");
    pickle_item_dict(p, "epoch_loop.automatic_optimization.optim_progress");
    pickle_item_dict(p, "optimizer");
    write_progress(p, "step", 2, steps, steps_now);
    write_progress(p, "zero_grad", 3, steps, steps_now);
    pickle_dict_end(p);
    pickle_dict_end(p);
    write_empty(p, "epoch_loop.manual_optimization.state_dict");
    write_progress(p, "epoch_loop.manual_optimization.optim_step_progress", 2, 0, 0);
    write_empty(p, "epoch_loop.val_loop.state_dict");
    write_batch_progress(p, "epoch_loop.val_loop.batch_progress", 0, 0, 0);
    pickle_item_dict(p, "epoch_progress");
    write_counts(p, "total", 4, ready, c->epoch, processed);
    write_counts(p, "current", 4, ready, c->epoch, processed);
    pickle_dict_end(p);
    pickle_dict_end(p);
}

static void write_loops(pickle *p, const ckpt *c) {
    static const char *const others[] = {"validate_loop", "test_loop", "predict_loop"};
    pickle_item_dict(p, "loops");
    write_fit_loop(p, c);
    for (int i = 0; i < 3; i++) {
        pickle_item_dict(p, others[i]);
        write_empty(p, "state_dict");
        write_batch_progress(p, "batch_progress", 0, 0, i < 2 ? 0 : -1);
        pickle_dict_end(p);
    }
    pickle_dict_end(p);
}

/* --- callbacks: the best k, early stopping --- */

static void write_score(pickle *p, const char *key, double score) {
    pickle_string(p, key);
    if (isnan(score))
        pickle_none(p);
    else
        pickle_scalar(p, score);
}

static const char *mode_name(bool max) { return max ? "max" : "min"; }

/** The state of Lightning's EarlyStopping. */
static void write_early_stopping(pickle *p, const ckpt_early_stopping *e) {
    char key[96];
    snprintf(key, sizeof key, "EarlyStopping{'monitor': '%s', 'mode': '%s'}", e->monitor, mode_name(e->max));
    pickle_item_dict(p, key);
    pickle_item_int(p, "wait_count", e->wait_count);
    pickle_item_int(p, "stopped_epoch", e->stopped_epoch);
    pickle_string(p, "best_score");
    pickle_scalar(p, e->best_score);
    pickle_item_int(p, "patience", e->patience);
    pickle_dict_end(p);
}

/** As Lightning's Timer, which Trainer(max_time=...) adds. */
static void write_timer(pickle *p, const ckpt *c) {
    static const char *const other[] = {"sanity_check", "validate", "test", "predict"};
    if (c->train_seconds <= 0)
        return;
    pickle_item_dict(p, "Timer");
    pickle_item_dict(p, "time_elapsed");
    pickle_item_float(p, "train", c->train_seconds);
    for (int i = 0; i < 4; i++)
        pickle_item_float(p, other[i], 0);
    pickle_dict_end(p);
    pickle_dict_end(p);
}

static void write_model_checkpoint(pickle *p, const ckpt *c) {
    const ckpt_kept *best = NULL, *worst = NULL;
    const double sign = c->monitor_max ? -1 : 1;
    char key[192];
    for (int i = 0; i < c->kept_n; i++) {
        const ckpt_kept *k = &c->kept[i];
        best = best == NULL || sign * k->value < sign * best->value ? k : best;
        worst = worst == NULL || !(sign * k->value <= sign * worst->value) ? k : worst;
    }
    snprintf(key, sizeof key,
             "ModelCheckpoint{'monitor': '%s', 'mode': '%s', 'every_n_train_steps': 0, 'every_n_epochs': 1, "
             "'train_time_interval': None}",
             c->monitor, mode_name(c->monitor_max));
    pickle_item_dict(p, key);
    pickle_item_string(p, "monitor", c->monitor);
    write_score(p, "best_model_score", c->best_value);
    pickle_item_string(p, "best_model_path", best != NULL ? best->path : "");
    write_score(p, "current_score", c->current_value);
    pickle_item_string(p, "dirpath", c->monitor_dir);
    pickle_item_dict(p, "best_k_models");
    for (int i = 0; c->kept != NULL && i < c->kept_n; i++) {
        pickle_string(p, c->kept[i].path);
        pickle_scalar(p, c->kept[i].value);
    }
    pickle_dict_end(p);
    pickle_item_string(p, "kth_best_model_path", worst != NULL ? worst->path : "");
    pickle_string(p, "kth_value");
    pickle_scalar(p, worst != NULL ? worst->value : sign * INFINITY);
    pickle_item_string(p, "last_model_path", c->last_path);
    pickle_dict_end(p);
}

static void write_callbacks(pickle *p, const ckpt *c) {
    pickle_item_dict(p, "callbacks");
    if (c->early_stopping.on)
        write_early_stopping(p, &c->early_stopping);
    write_model_checkpoint(p, c);
    write_timer(p, c);
    pickle_dict_end(p);
}

/* --- linnet's own state --- */

static void write_own(pickle *p, const ckpt *c) {
    bool sgd = c->optimizer.kind == CKPT_SGD || c->optimizer.kind == CKPT_NO_OPTIMIZER;
    pickle_item_dict(p, "linnet");
    pickle_item_int(p, "version", sgd ? 1 : LAYOUT_VERSION);
    pickle_item_dict(p, "progress");
    layout_write_fields(p, layout_progress, c);
    pickle_dict_end(p);
    if (sgd) {
        pickle_item_dict(p, "sgd");
        layout_write_fields(p, layout_sgd, &c->optimizer);
        pickle_dict_end(p);
    }
    pickle_item_dict(p, "schedule");
    pickle_item_string(p, "kind", layout_kinds[c->schedule.kind]);
    layout_write_fields(p, layout_schedule, &c->schedule);
    pickle_dict_end(p);
    if (c->early_stopping.on) {
        pickle_item_dict(p, "early_stopping");
        pickle_item_string(p, "monitor", c->early_stopping.monitor);
        layout_write_fields(p, layout_early_stopping, &c->early_stopping);
        pickle_dict_end(p);
    }
    pickle_item_string(p, "monitor", c->monitor);
    pickle_item_string(p, "mode", mode_name(c->monitor_max));
    pickle_string(p, "kept");
    pickle_list(p);
    for (int i = 0; i < c->kept_n; i++) {
        pickle_list(p);
        pickle_string(p, c->kept[i].path);
        pickle_float(p, c->kept[i].value);
        pickle_list_end(p);
    }
    pickle_list_end(p);
    pickle_item_string(p, "monitor_dir", c->monitor_dir);
    pickle_item_string(p, "last_path", c->last_path);
    pickle_item_dict(p, "items");
    write_items(p, c->own, c->own_n);
    pickle_dict_end(p);
    pickle_dict_end(p);
}

void layout_write_state(pickle *p, const ckpt_tensor *tensors, int n) {
    pickle_ordered_dict(p);
    for (int i = 0; i < n; i++) {
        pickle_string(p, tensors[i].name);
        pickle_tensor(p, &tensors[i]);
    }
    pickle_dict_end(p);
}

/** Writes the EMA as Lightning's WeightAveraging callback does. */
static void write_ema(pickle *p, const ckpt *c) {
    ckpt_tensor n = {.type = CKPT_I64, .data = (void *)&c->ema_updates, .bytes = sizeof c->ema_updates};
    if (c->current_n == 0)
        return;
    pickle_string(p, "current_model_state");
    layout_write_state(p, c->current, c->current_n);
    pickle_item_dict(p, "averaging_state");
    pickle_string(p, "n_averaged");
    pickle_tensor(p, &n);
    pickle_dict_end(p);
}

void layout_write(pickle *p, const ckpt *c) {
    pickle_dict(p);
    pickle_item_int(p, "epoch", c->epoch);
    pickle_item_int(p, "global_step", c->global_step);
    pickle_item_string(p, "pytorch-lightning_version", "2.0.0");
    pickle_string(p, "state_dict");
    layout_write_state(p, c->state, c->state_n);
    write_ema(p, c);
    write_loops(p, c);
    write_callbacks(p, c);
    layout_write_optimizer(p, c);
    layout_write_schedule(p, c);
    if (c->scaler.on) { /* Lightning's MixedPrecision plugin stores torch's GradScaler under this key */
        pickle_item_dict(p, "MixedPrecision");
        layout_write_fields(p, layout_grad_scaler, &c->scaler);
        pickle_dict_end(p);
    }
    pickle_item_string(p, "hparams_name", "kwargs");
    pickle_item_dict(p, "hyper_parameters");
    write_items(p, c->hyper, c->hyper_n);
    pickle_dict_end(p);
    write_own(p, c);
    pickle_dict_end(p);
}
