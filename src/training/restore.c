#include "training/checkpoint.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "training/ema.h"
#include "training/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int restore_momentum(run_context *s, const ckpt *c, const char *path) {
    double *one = NULL;
    int rc = OK;
    if (c->momentum_n == 0)
        return OK;
    if (c->momentum_n != s->model->param_n)
        return fail(E_FORMAT, "%s contains momentum for %d parameters, the model has %d", path, c->momentum_n,
                    s->model->param_n);
    TRY(memory_zeroed(&one, model_largest(s->model), sizeof *one));
    for (int i = 0; i < s->model->param_n; i++) {
        const param *p = &s->model->param[i];
        const ckpt_tensor *t = &c->momentum[i];
        if (!weights_fit(t, p->shape, p->rank)) {
            rc = fail(E_FORMAT, "%s: the momentum of %s has another shape than in this model", path, p->name);
            goto done;
        }
        weights_widen(one, t);
        TRY(engine_write(s->engine, ENGINE_MOMENTUM, i, one));
    }
done:
    free(one);
    return rc;
}

static int64_t own_int(const ckpt *c, const char *key, int64_t absent) {
    const ckpt_item *i = ckpt_find_item(c->own, c->own_n, key);
    return i != NULL && i->kind == 'i' ? i->i : absent;
}

static const char *own_string(const ckpt *c, const char *key) {
    const ckpt_item *i = ckpt_find_item(c->own, c->own_n, key);
    return i != NULL && i->kind == 's' && i->s != NULL ? i->s : "";
}

int checkpoint_version(const ckpt *c) { return (int)own_int(c, "version", -1); }

int checkpoint_check_classes(const dataset *d, const ckpt *c, const char *path) {
    const ckpt_item *names = ckpt_class_names(c);
    if (names == NULL)
        return OK;
    if (names->i != d->class_n)
        return fail(E_DATA, "%s was trained on %lld classes, %s has %d", path, (long long)names->i, d->root,
                    d->class_n);
    for (int i = 0; i < d->class_n; i++)
        if (strcmp(d->class_name[i], names->list[i]) != 0)
            return fail(E_DATA, "%s was trained on other classes: its class %d is '%s', in %s it is '%s'", path, i,
                        names->list[i], d->root, d->class_name[i]);
    return OK;
}

/** Other data than those the run has seen are refused, unless the user says that they are meant. */
static int check_fingerprints(run_context *s, const ckpt *c, const char *path) {
    static const char *const key[] = {"train_fingerprint", "val_fingerprint"}, *const what[] = {"training",
                                                                                                "validation"};
    for (int i = 0; i < 2; i++) {
        const char *then = own_string(c, key[i]), *now = fingerprint_value(&s->fingerprint[i]);
        if (then[0] == 0 || strcmp(then, now) == 0)
            continue;
        if (!s->config->data.changed)
            return fail(E_DATA,
                        "%s was trained on other data: names, sizes or classes of the %s images differ (%s then, %s "
                        "now). If this is intended, resume with --data.changed true",
                        path, what[i], then, now);
        log_warn("the %s images differ from those that %s was trained on", what[i], path);
    }
    return OK;
}

/** What must be the same for the order of the images to continue. */
static int check_data(const run_context *s, const ckpt *c, const char *path) {
    const config *o = s->config;
    const struct {
        const char *key, *option;
        int64_t now;
    } same[] = {{"train_images", "data.path (training images)", s->train->image_n},
                {"seed", "trainer.seed", (int64_t)o->trainer.seed},
                {"shuffle", "data.shuffle", o->data.shuffle},
                {"batch_size", "data.batch_size", o->data.batch_size},
                {"train_batches", "training batches per epoch", s->train_batches}};
    int rc = checkpoint_check_classes(s->train, c, path);
    bool other = o->data.changed && own_int(c, "train_images", s->train->image_n) != s->train->image_n;
    bool middle = c->batch_in_epoch > 0 && !c->epoch_done && !other; /* with other images the epoch begins again */
    for (size_t i = 0; rc == OK && middle && i < sizeof same / sizeof *same; i++) {
        int64_t then = own_int(c, same[i].key, same[i].now);
        if (then != same[i].now)
            rc = fail(E_OPTION,
                      "%s is from the middle of an epoch with %s %lld, now it is %lld: resume with the old value, or "
                      "from a checkpoint at the end of an epoch",
                      path, same[i].option, (long long)then, (long long)same[i].now);
    }
    int64_t step = (int64_t)o->data.batch_size * s->micro_batches_per_step, then = own_int(c, "global_batch", step);
    if (rc == OK && middle && then != step)
        log_warn("%s was trained with %lld images per step, now it is %lld: the order of the images continues; "
                 "trainer.global_batch keeps the images per step for any number of ranks",
                 path, (long long)then, (long long)step);
    return rc;
}

/** "INDEX NAME" a line, as bad_list wrote it. Images that are no longer there under that name are forgotten. */
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

/** The best files of the resumed run, where they lie now. Those of another folder are not this run's to delete. */
static int restore_best(train_state *t, const ckpt *c, const run_folder *f, const char *path) {
    char evicted[PATH_BYTES], here[PATH_BYTES];
    int rc = OK;
    if (!run_folder_holds(f, path))
        return OK;
    for (int i = 0; i < c->kept_n; i++) {
        TRY(run_folder_path(here, f, c->kept[i].path));
        if (run_folder_is_best(here) && file_exists(here))
            topk_insert(evicted, &t->best, here, c->kept[i].value);
        else
            log_warn("%s does not exist any more: removed from the list of best checkpoints", here);
    }
done:
    return rc;
}

/** Without a saved state (a run of another precision before) scaling starts with its initial values. */
static void restore_scaler(train_state *t, const ckpt *c) {
    if (!t->scaler.on || !c->scaler.on)
        return;
    t->scaler.state = c->scaler;
    t->scaler.skipped = own_int(c, "skipped_steps", 0);
}

/** The schedule continues from its state; its options are those of this run, a new base LR included. */
static void restore_schedule(train_state *t, const ckpt *c, const char *path) {
    ckpt_schedule *now = &t->schedule.state;
    const ckpt_schedule *then = &c->schedule;
    if (now->base_lr == 0) /* auto: found when the run began */
        now->base_lr = now->last_lr = then->base_lr > 0 ? then->base_lr : then->last_lr;
    if (then->kind != now->kind) {
        log_warn("%s was trained with another schedule: the new schedule starts with its own LR", path);
        return;
    }
    now->last_epoch = then->last_epoch;
    now->last_lr = then->base_lr > 0 ? then->last_lr * (now->base_lr / then->base_lr) : then->last_lr;
    now->best = then->best;
    now->num_bad_epochs = then->num_bad_epochs;
    now->cooldown_counter = then->cooldown_counter;
    /* Lightning saves an epoch's end before its plateau has seen the epoch's val_loss: the callback knows it */
    if (now->kind == CKPT_SCHEDULE_PLATEAU && c->own_n == 0 && c->epoch_done && then->last_epoch == c->epoch &&
        !isnan(c->current_value))
        schedule_end_epoch(&t->schedule, c->epoch, c->current_value);
}

/** The trained weights, and their EMA if this run has one: the file's, or else a copy. */
static int restore_weights(run_context *s, train_state *t, const ckpt *c, const char *path) {
    ckpt training = *c; /* a view; what it points to is c's */
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

/** The classifier's rate: the option, else that of the file's second group where it is the classifier's. */
static double restored_head_lr(const run_context *s, const ckpt *c, double base_lr) {
    const model *n = s->model;
    int head_n = 0;
    while (head_n < n->param_n && n->param[n->param_n - 1 - head_n].head)
        head_n++;
    if (s->config->optimizer.head_lr > 0 || c->head_n != head_n)
        return s->config->optimizer.head_lr;
    return c->head_scale * base_lr;
}

int checkpoint_restore(run_context *s, train_state *t, const ckpt *c, const char *path, const run_folder *f) {
    const ckpt_item *loss = ckpt_find_item(c->own, c->own_n, "train_loss_sum");
    int rc = OK;
    if (c->own_n == 0 && c->global_step == 0) {
        rc = fail(E_FORMAT, "%s contains only weights, no training state to resume: use it with --init", path);
        goto done;
    }
    TRY(check_data(s, c, path));
    TRY(check_fingerprints(s, c, path));
    TRY(restore_weights(s, t, c, path));
    TRY(restore_momentum(s, c, path));
    TRY(restore_best(t, c, f, path));
    if (!s->config->data
             .changed) { /* else they may have been repaired: those that are still unreadable are detected again */
        TRY(restore_bad(s->train_loader, s->train, own_string(c, "bad_train")));
        TRY(restore_bad(s->val_loader, s->val, own_string(c, "bad_val")));
    }
    restore_schedule(t, c, path);
    schedule_set_head(&t->schedule, restored_head_lr(s, c, t->schedule.state.base_lr));
    if (t->schedule.state.base_lr <= 0) {
        rc = fail(E_OPTION, "%s contains no learning rate: set one with --lr", path);
        goto done;
    }
    s->base_lr = t->schedule.state.base_lr;
    restore_scaler(t, c);
    const ckpt_tensor *seen = ckpt_find_weight(c, "bn1.num_batches_tracked");
    t->batches_seen =
        seen != NULL && seen->type == CKPT_I64 && seen->bytes == sizeof(int64_t) ? *(const int64_t *)seen->data : 0;
    t->global_step = c->global_step;
    t->momentum = c->momentum_n > 0;
    t->epoch = c->epoch;
    t->batch_in_epoch = c->batch_in_epoch;
    t->train = (metrics){.loss_sum = loss != NULL ? loss->d : 0,
                         .images = own_int(c, "train_images_seen", 0),
                         .top1 = own_int(c, "train_top1", 0),
                         .top5 = own_int(c, "train_top5", 0)};
    int64_t images = own_int(c, "train_images", s->train->image_n);
    bool other = s->config->data.changed && images != s->train->image_n;
    if (other && c->batch_in_epoch > 0 && !c->epoch_done) {
        log_warn("there are %lld training images, not %lld: epoch %lld restarts", (long long)s->train->image_n,
                 (long long)images, (long long)t->epoch + 1);
        t->batch_in_epoch = 0;
        t->train = (metrics){0};
    }
    if (c->epoch_done) {
        t->epoch++;
        t->batch_in_epoch = 0;
        t->train = (metrics){0};
    }
done:
    return rc;
}
