/* Restores a run from a checkpoint. */

#include "training/checkpoint.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "training/ema.h"
#include "training/optimizer.h"
#include "training/run_loader.h"
#include "training/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t own_int(const ckpt *c, const char *key, int64_t absent) {
    const ckpt_item *i = ckpt_find_item(c->own, c->own_n, key);
    return i != NULL && i->kind == 'i' ? i->i : absent;
}

static const char *own_string(const ckpt *c, const char *key) {
    const ckpt_item *i = ckpt_find_item(c->own, c->own_n, key);
    return i != NULL && i->kind == 's' && i->s != NULL ? i->s : "";
}

int checkpoint_version(const ckpt *c) { return (int)own_int(c, "version", -1); }

int checkpoint_config(config *out, bool *found, const ckpt *c) {
    const ckpt_item *yaml = ckpt_find_item(c->own, c->own_n, "config");
    config_defaults(out);
    *found = yaml != NULL && yaml->kind == 's';
    return *found ? config_read_yaml_text(out, yaml->s, strlen(yaml->s), "the checkpoint's configuration") : OK;
}

int checkpoint_same_class(bool *out, const char *of_data, const char *of_file) {
    text utf8 = {0};
    int rc = OK;
    *out = strcmp(of_data, of_file) == 0;
    if (!*out) {
        TRY(text_append_utf8(&utf8, of_data));
        *out = strcmp(text_string(&utf8), of_file) == 0;
    }
done:
    text_deinit(&utf8);
    return rc;
}

int checkpoint_check_classes(const dataset *d, const ckpt *c, const char *path) {
    const ckpt_item *names = ckpt_class_names(c);
    if (names == NULL)
        return OK;
    if (names->i != d->class_n)
        return fail(E_DATA, "%s was trained on %lld classes, but %s has %d", path, (long long)names->i, d->root,
                    d->class_n);
    for (int i = 0; i < d->class_n; i++) {
        bool same = false;
        int rc = checkpoint_same_class(&same, d->class_name[i], names->list[i]);
        if (rc != OK)
            return rc;
        if (!same)
            return fail(E_DATA,
                        "%s was trained on different classes: class %d is '%s' in the checkpoint, but in %s it is '%s'",
                        path, i, names->list[i], d->root, d->class_name[i]);
    }
    return OK;
}

/** Refuses a resume with data other than those of the run, unless data.changed declares the change. */
static int check_fingerprints(run_context *s, const ckpt *c, const char *path) {
    static const char *const key[] = {"train_fingerprint", "val_fingerprint"}, *const what[] = {"training",
                                                                                                "validation"};
    for (int i = 0; i < 2; i++) {
        const char *then = own_string(c, key[i]), *now = fingerprint_value(&s->fingerprint[i]);
        if (then[0] == 0 || strcmp(then, now) == 0)
            continue;
        if (!s->config->data.changed)
            return fail(E_DATA,
                        "%s was trained on different data: names, sizes or classes of the %s images differ "
                        "(fingerprint %s then, %s now). If this is intended, resume with --data.changed true",
                        path, what[i], then, now);
        log_warn("the %s images differ from those that %s was trained on", what[i], path);
    }
    return OK;
}

/** Refuses a resume that would move images between training and validation. */
static int check_split(const run_context *s, const ckpt *c, const char *path) {
    const config *o = s->config;
    const ckpt_item *split = ckpt_find_item(c->own, c->own_n, "val_split");
    double then = split != NULL && split->kind == 'd' ? split->d : o->data.val_split;
    long long seed = own_int(c, "seed", (int64_t)o->trainer.seed);
    if (o->data.changed)
        return OK;
    if (then != o->data.val_split)
        return fail(E_OPTION,
                    "%s was trained with data.val_split = %g, but the value is now %g, which would move images "
                    "between training and validation: resume with the old value",
                    path, then, o->data.val_split);
    if (then > 0 && seed != (long long)o->trainer.seed)
        return fail(E_OPTION,
                    "%s was trained with data.val_split and trainer.seed = %lld, but the seed is now %lld, which would "
                    "move images between training and validation: resume with the old value",
                    path, seed, (long long)o->trainer.seed);
    return OK;
}

/** In the middle of an epoch. A file of linnet without the item is older than the option. */
static int check_balance(const config *o, const ckpt *c, const char *path) {
    const ckpt_item *item = ckpt_find_item(c->own, c->own_n, "balance");
    double then = item != NULL && item->kind == 'd' ? item->d : c->own_n > 0 ? 0 : o->data.balance;
    if (then == o->data.balance)
        return OK;
    return fail(E_OPTION,
                "%s was saved in the middle of an epoch with data.balance = %g, but the value is now %g: resume with "
                "the old value, or from a checkpoint at the end of an epoch",
                path, then, o->data.balance);
}

/** In the middle of an epoch. A file of linnet without the item is of one host, or older than the division among
 *  hosts. */
static int check_stream_hosts(const run_context *s, const ckpt *c, const char *path) {
    const char *then = own_string(c, "stream_hosts"), *now = NULL;
    text own = {0};
    int rc = OK;
    if (c->own_n == 0)
        return OK;
    TRY(run_context_stream_hosts(&own, s));
    now = text_string(&own);
    if (strcmp(then, now) != 0)
        rc = fail(
            E_OPTION,
            "%s was saved in the middle of an epoch with the shards divided otherwise among hosts (data.sequential; "
            "host and number of the micro-batches of a step: %.80s then, %.80s now): resume with the same ranks "
            "on each host, or from a checkpoint at the end of an epoch",
            path, then[0] != 0 ? then : "one host", now[0] != 0 ? now : "one host");
done:
    text_deinit(&own);
    return rc;
}

/** Checks the settings that the order of the images depends on. */
static int check_data(const run_context *s, const ckpt *c, const char *path) {
    const config *o = s->config;
    const struct {
        const char *key, *option;
        int64_t now;
    } same[] = {{"train_images", "data.path (training images)", s->train->image_n},
                {"seed", "trainer.seed", (int64_t)o->trainer.seed},
                {"shuffle", "data.shuffle", o->data.shuffle},
                {"shuffle_buffer", "data.shuffle_buffer (0 without data.sequential)", run_loader_shuffle_buffer(o)},
                {"repeats", "data.repeats", o->data.repeats},
                {"batch_size", "data.batch_size", o->data.batch_size},
                {"overfit", "trainer.overfit_batches (1: on)", o->trainer.overfit_batches != 0},
                {"train_batches", "training batches per epoch", s->train_batches}};
    int rc = checkpoint_check_classes(s->train, c, path);
    bool other = o->data.changed && own_int(c, "train_images", s->train->image_n) != s->train->image_n;
    bool middle = c->batch_in_epoch > 0 && !c->epoch_done && !other; /* with other images the epoch restarts */
    for (size_t i = 0; rc == OK && middle && i < sizeof same / sizeof *same; i++) {
        int64_t then = own_int(c, same[i].key, same[i].now);
        if (then != same[i].now)
            rc = fail(E_OPTION,
                      "%s was saved in the middle of an epoch with %s = %lld, but the value is now %lld: resume with "
                      "the old value, or from a checkpoint at the end of an epoch",
                      path, same[i].option, (long long)then, (long long)same[i].now);
    }
    if (rc == OK && middle)
        rc = check_balance(o, c, path);
    if (rc == OK && middle)
        rc = check_stream_hosts(s, c, path);
    int64_t step = (int64_t)o->data.batch_size * s->micro_batches_per_step, then = own_int(c, "global_batch", step);
    if (rc == OK && middle && then != step)
        log_warn("%s was trained with %lld images per step, but the run now uses %lld. The order of the images is "
                 "unchanged. To keep the images per step for any number of ranks, set trainer.global_batch",
                 path, (long long)then, (long long)step);
    return rc;
}

/** Reads lines "INDEX NAME", as bad_list writes them. Images whose name is no longer at that index are dropped. */
static int restore_bad(loader *l, const dataset *d, const char *list) {
    int64_t *index = NULL, n = 0;
    size_t most = 1;
    int rc = OK;
    for (const char *p = list; *p != 0; p++)
        most += *p == '\n';
    TRY(memory_zeroed(&index, most, sizeof *index));
    while (*list != 0) {
        char *name = NULL;
        int64_t i = strtoll(list, &name, 10);
        name += *name == ' ';
        size_t len = strcspn(name, "\n");
        if (i >= 0 && i < d->image_n && strlen(dataset_name(d, i)) == len && memcmp(dataset_name(d, i), name, len) == 0)
            index[n++] = i;
        list = name + len + (name[len] == '\n');
    }
    TRY(loader_set_bad(l, index, n));
done:
    free(index);
    return rc;
}

/** Restores the list of best checkpoints with their current paths. Checkpoints in another folder are not listed,
 *  because this run must not delete them. */
static int restore_best(train_state *t, const config *o, const ckpt *c, const run_folder *f, const char *path) {
    char evicted[PATH_BYTES], here[PATH_BYTES];
    int rc = OK;
    if (!run_folder_holds(f, path) || c->kept_n == 0)
        return OK;
    if (strcmp(c->monitor, o->checkpoint.monitor) != 0 || c->monitor_max != t->best.max) {
        log_warn("%s lists the best checkpoints by %s (%s), but checkpoint.monitor is now %s (%s): the list starts "
                 "empty, and the files listed there are not deleted",
                 path, c->monitor, c->monitor_max ? "max" : "min", o->checkpoint.monitor, t->best.max ? "max" : "min");
        return OK;
    }
    for (int i = 0; i < c->kept_n; i++) {
        TRY(run_folder_path(here, f, c->kept[i].path));
        if (run_folder_is_best(here) && file_exists(here))
            top_k_insert(evicted, &t->best, here, c->kept[i].value);
        else
            log_warn("%s no longer exists: removed from the list of best checkpoints", here);
    }
done:
    return rc;
}

/** Without a saved state (the run had another precision), the scaler starts with its initial values. */
static void restore_scaler(train_state *t, const ckpt *c) {
    if (!t->scaler.on || !c->scaler.on)
        return;
    t->scaler.state = c->scaler;
    t->scaler.skipped = own_int(c, "skipped_steps", 0);
}

/** Restores the state of the schedule. Its options, the base LR included, are those of this run. */
static void restore_schedule(train_state *t, const ckpt *c, const char *path) {
    ckpt_schedule *now = &t->schedule.state;
    const ckpt_schedule *then = &c->schedule;
    if (now->base_lr == 0) /* auto: found at the start of the original run */
        now->base_lr = now->last_lr = then->base_lr > 0 ? then->base_lr : then->last_lr;
    if (then->kind != now->kind) {
        log_warn("%s was trained with a different schedule: the new schedule starts from its initial learning rate",
                 path);
        return;
    }
    now->last_epoch = then->last_epoch;
    now->last_lr = then->base_lr > 0 ? then->last_lr * (now->base_lr / then->base_lr) : then->last_lr;
    now->best = then->best;
    now->num_bad_epochs = then->num_bad_epochs;
    now->cooldown_counter = then->cooldown_counter;
    /* Lightning saves at the end of an epoch before its plateau schedule has received the epoch's val_loss, which
     * the callback's state contains */
    if (now->kind == CKPT_SCHEDULE_PLATEAU && c->own_n == 0 && c->epoch_done && then->last_epoch == c->epoch &&
        strcmp(c->monitor, "val_loss") == 0 && !isnan(c->current_value))
        schedule_end_epoch(&t->schedule, c->epoch, c->current_value);
}

static void restore_early_stopping(train_state *t, const ckpt *c, const char *path) {
    if (!early_stopping_restore(&t->early_stopping, &c->early_stopping) && t->early_stopping.state.on &&
        c->early_stopping.on)
        log_warn("%s was trained with early_stopping.monitor %s (%s): early stopping restarts with %s", path,
                 c->early_stopping.monitor, c->early_stopping.max ? "max" : "min", t->early_stopping.state.monitor);
}

/** Restores the trained weights, and the EMA if this run has one: from the file, else as a copy of the weights. */
static int restore_weights(run_context *s, train_state *t, const ckpt *c, const char *path) {
    ckpt training = *c; /* a shallow copy; `c` owns its pointers */
    int rc = OK;
    if (c->current_n > 0) {
        training.state = c->current;
        training.state_n = c->current_n;
    }
    TRY(weights_restore(s, &training, path));
    TRY(ema_restart(s));
    if (!ema_on(s) || c->current_n == 0)
        goto done;
    TRY(ema_swap(s));
    rc = weights_restore(s, c, path);
    int back = ema_swap(s);
    TRY(rc != OK ? rc : back);
    t->ema_updates = c->ema_updates;
done:
    return rc;
}

resize_order checkpoint_resize_order(const ckpt *c) {
    return c->own_n == 0 || strcmp(own_string(c, "resize_order"), "newest") == 0 ? RESIZE_NEWEST : RESIZE_HORIZONTAL;
}

/** With data.resize_order auto, the run keeps the order that it began with. */
static void restore_resize_order(run_context *s, const ckpt *c, const char *path) {
    resize_order then = checkpoint_resize_order(c);
    bool automatic = strcmp(s->config->data.resize_order, "auto") == 0;
    if (then == s->resize_order)
        return;
    if (automatic) {
        run_context_set_resize_order(s, then);
        log_info("data.resize_order %s, as in %s", then == RESIZE_HORIZONTAL ? "horizontal" : "newest", path);
    } else {
        log_warn("%s was trained with data.resize_order %s, but the run now uses %s", path,
                 then == RESIZE_HORIZONTAL ? "horizontal" : "newest", s->config->data.resize_order);
    }
}

/** The classifier's LR: the option, else that of the file's second group if this group is the classifier. */
static double restored_head_lr(const run_context *s, const ckpt *c, double base_lr) {
    const model *n = s->model;
    int head_n = 0;
    while (head_n < n->param_n && n->param[n->param_n - 1 - head_n].head)
        head_n++;
    if (s->config->optimizer.head_lr > 0 || c->head_n != head_n)
        return s->config->optimizer.head_lr;
    return c->head_scale * base_lr;
}

/** Restores counters and the sums of the epoch so far. */
static void restore_progress(const run_context *s, train_state *t, const ckpt *c) {
    const ckpt_item *loss = ckpt_find_item(c->own, c->own_n, "train_loss_sum");
    const ckpt_tensor *seen = ckpt_find_weight(c, "bn1.num_batches_tracked");
    const int64_t images = own_int(c, "train_images", s->train->image_n);
    const bool other = s->config->data.changed && images != s->train->image_n;
    t->batches_seen =
        seen != NULL && seen->type == CKPT_I64 && seen->bytes == sizeof(int64_t) ? *(const int64_t *)seen->data : 0;
    t->global_step = c->global_step;
    t->val_step = own_int(c, "val_step", c->global_step); /* absent: the file was saved after the validation */
    t->seconds_before = c->train_seconds;
    t->epoch = c->epoch + c->epoch_done;
    t->batch_in_epoch = 0;
    t->train = (metrics){0};
    if (c->epoch_done)
        return;
    if (other && c->batch_in_epoch > 0) {
        log_warn("there are %lld training images, not %lld: epoch %lld restarts", (long long)s->train->image_n,
                 (long long)images, (long long)t->epoch + 1);
        return;
    }
    t->batch_in_epoch = c->batch_in_epoch;
    t->train = (metrics){.loss_sum = loss != NULL ? loss->d : 0,
                         .images = own_int(c, "train_images_seen", 0),
                         .top1 = own_int(c, "train_top1", 0),
                         .top5 = own_int(c, "train_top5", 0)};
}

int checkpoint_restore(run_context *s, train_state *t, const ckpt *c, const char *path, const run_folder *f) {
    int rc = OK;
    if (c->own_n == 0 && c->global_step == 0) {
        rc = fail(E_FORMAT,
                  "%s contains only weights and no training state: to use the weights, pass the file to --init", path);
        goto done;
    }
    TRY(check_split(s, c, path));
    TRY(check_data(s, c, path));
    TRY(check_fingerprints(s, c, path));
    TRY(restore_weights(s, t, c, path));
    TRY(optimizer_restore(s, t, c, path));
    TRY(restore_best(t, s->config, c, f, path));
    /* if data.changed, files may have been repaired; those still unreadable are detected again */
    if (!s->config->data.changed) {
        TRY(restore_bad(s->train_loader, s->train, own_string(c, "bad_train")));
        TRY(restore_bad(s->val_loader, s->val, own_string(c, "bad_val")));
    }
    restore_resize_order(s, c, path);
    restore_schedule(t, c, path);
    schedule_set_head(&t->schedule, restored_head_lr(s, c, t->schedule.state.base_lr));
    if (t->schedule.state.base_lr <= 0) {
        rc = fail(E_OPTION, "%s contains no learning rate: set one with --lr", path);
        goto done;
    }
    s->base_lr = t->schedule.state.base_lr;
    restore_scaler(t, c);
    restore_early_stopping(t, c, path);
    restore_progress(s, t, c);
done:
    return rc;
}
