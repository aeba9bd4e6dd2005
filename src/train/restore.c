#include "train/snapshot.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double half_value(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double sign = h >> 15 ? -1 : 1;
    if (exponent == 31)
        return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static bool is_float(ckpt_type t) { return t == CKPT_F32 || t == CKPT_F64 || t == CKPT_F16 || t == CKPT_BF16; }

static void widen(double *out, const ckpt_tensor *t, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (t->type == CKPT_F32) {
            out[i] = ((const float *)t->data)[i];
        } else if (t->type == CKPT_F64) {
            out[i] = ((const double *)t->data)[i];
        } else if (t->type == CKPT_F16) {
            out[i] = half_value(((const uint16_t *)t->data)[i]);
        } else {
            uint32_t bits = (uint32_t)((const uint16_t *)t->data)[i] << 16;
            float f;
            memcpy(&f, &bits, sizeof f);
            out[i] = f;
        }
    }
}

/** The tensor of that name with or without the prefixes that Lightning and DDP put before it. */
static const ckpt_tensor *find_prefixed(const ckpt *c, const char *name) {
    static const char *const prefix[] = {"model.", "", "module."};
    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++) {
        char full[128];
        snprintf(full, sizeof full, "%s%s", prefix[i], name);
        const ckpt_tensor *t = ckpt_find_tensor(c, full);
        if (t != NULL)
            return t;
    }
    return NULL;
}

static bool same_shape(const ckpt_tensor *t, const int *shape, int rank) {
    bool same = t->rank == rank;
    for (int d = 0; same && d < rank; d++)
        same = t->shape[d] == shape[d];
    return same;
}

/** Finds, checks and widens one tensor. */
static int read_tensor(double *out, const ckpt *c, const char *path, const char *name, const int *shape, int rank) {
    const ckpt_tensor *t = find_prefixed(c, name);
    if (t == NULL)
        return fail(E_FORMAT, "%s has no tensor %s: is it a checkpoint of another architecture?", path, name);
    if (!is_float(t->type) || !same_shape(t, shape, rank))
        return fail(E_FORMAT, "%s: the shape or type of %s does not fit this network", path, name);
    size_t n = 1;
    for (int d = 0; d < rank; d++)
        n *= (size_t)shape[d];
    widen(out, t, n);
    return OK;
}

static int restore_stats(setup *s, const ckpt *c, const char *path, double *one) {
    int rc = OK;
    for (int i = 0; i < s->net->stats_n; i++) {
        const net_stats *n = &s->net->stats[i];
        char name[96];
        snprintf(name, sizeof name, "%s.running_mean", n->name);
        TRY(read_tensor(one, c, path, name, &n->c, 1));
        snprintf(name, sizeof name, "%s.running_var", n->name);
        TRY(read_tensor(one + n->c, c, path, name, &n->c, 1));
        TRY(engine_write(s->engine, ENGINE_STATS, i, one));
    }
done:
    return rc;
}

/** @param new_head the last layer may have another class count: it then stays as it is */
static int restore_weights(setup *s, const ckpt *c, const char *path, bool new_head) {
    double *one = NULL;
    int rc = OK;
    TRY(memory_zeroed(&one, net_largest(s->net), sizeof *one));
    for (int i = 0; i < s->net->param_n; i++) {
        const param *p = &s->net->param[i];
        const ckpt_tensor *t = find_prefixed(c, p->name);
        bool head = strncmp(p->name, "fc.", 3) == 0;
        if (new_head && head && (t == NULL || t->shape[0] != p->shape[0])) {
            log_warn("%s: %s is for %lld classes, this dataset has %d: it starts anew", path, p->name,
                     t != NULL ? (long long)t->shape[0] : 0LL, p->shape[0]);
            continue;
        }
        TRY(read_tensor(one, c, path, p->name, p->shape, p->rank));
        TRY(engine_write(s->engine, ENGINE_WEIGHT, i, one));
    }
    TRY(restore_stats(s, c, path, one));
done:
    free(one);
    return rc;
}

int snapshot_restore_weights(setup *s, const ckpt *c, const char *path) { return restore_weights(s, c, path, false); }
int snapshot_init_weights(setup *s, const ckpt *c, const char *path) { return restore_weights(s, c, path, true); }

static int restore_momentum(setup *s, const ckpt *c, const char *path) {
    double *one = NULL;
    int rc = OK;
    if (c->momentum_n == 0)
        return OK;
    if (c->momentum_n != s->net->param_n)
        return fail(E_FORMAT, "%s holds momentum for %d parameters, the network has %d", path, c->momentum_n,
                    s->net->param_n);
    TRY(memory_zeroed(&one, net_largest(s->net), sizeof *one));
    for (int i = 0; i < s->net->param_n; i++) {
        const param *p = &s->net->param[i];
        const ckpt_tensor *t = &c->momentum[i];
        if (!is_float(t->type) || !same_shape(t, p->shape, p->rank)) {
            rc = fail(E_FORMAT, "%s: the momentum of %s does not fit this network", path, p->name);
            goto done;
        }
        widen(one, t, p->count);
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

int snapshot_version(const ckpt *c) { return (int)own_int(c, "version", -1); }

int snapshot_check_classes(const dataset *d, const ckpt *c, const char *path) {
    const char *names = own_string(c, "class_names");
    if (names[0] == 0)
        return OK;
    for (int i = 0; i < d->class_n; i++) {
        size_t n = strcspn(names, "\n");
        if (strlen(d->class_name[i]) != n || memcmp(d->class_name[i], names, n) != 0)
            return fail(E_DATA, "%s was trained on other classes: its class %d is '%.*s', that of %s is '%s'", path, i,
                        (int)n, names, d->root, d->class_name[i]);
        names += n + (names[n] == '\n');
    }
    return names[0] == 0 ? OK
                         : fail(E_DATA, "%s was trained on more classes than the %d of %s", path, d->class_n, d->root);
}

/** Other data than those the run has seen are refused, unless the user says that they are meant. */
static int check_fingerprints(setup *s, const ckpt *c, const char *path) {
    static const char *const key[] = {"train_fingerprint", "val_fingerprint"}, *const what[] = {"training",
                                                                                                "validation"};
    for (int i = 0; i < 2; i++) {
        const char *then = own_string(c, key[i]), *now = fingerprint_value(&s->fingerprint[i]);
        if (then[0] == 0 || strcmp(then, now) == 0)
            continue;
        if (!s->config->data.changed)
            return fail(E_DATA,
                        "%s was trained on other data: names, sizes or classes of the %s images differ (%s then, %s "
                        "now). If that is meant, resume with --data.changed true",
                        path, what[i], then, now);
        log_warn("the %s images are not those that %s was trained on", what[i], path);
    }
    return OK;
}

/** What must be the same for the order of the images to go on. */
static int check_data(const setup *s, const ckpt *c, const char *path) {
    const config *o = s->config;
    const struct {
        const char *key, *option;
        int64_t now;
    } same[] = {{"train_images", "data.path (training images)", s->train->image_n},
                {"seed", "trainer.seed", (int64_t)o->trainer.seed},
                {"shuffle", "data.shuffle", o->data.shuffle},
                {"batch_size", "data.batch_size", o->data.batch_size},
                {"train_batches", "a number of batches in the epoch of", s->train_batches}};
    int rc = snapshot_check_classes(s->train, c, path);
    bool middle = c->batch_in_epoch > 0 && !c->epoch_done;
    for (size_t i = 0; rc == OK && middle && i < sizeof same / sizeof *same; i++) {
        int64_t then = own_int(c, same[i].key, same[i].now);
        if (then != same[i].now)
            rc = fail(E_OPTION,
                      "%s stands in the middle of an epoch with %s %lld, now it is %lld: resume with the old value, or "
                      "from a checkpoint at the end of an epoch",
                      path, same[i].option, (long long)then, (long long)same[i].now);
    }
    int64_t step = (int64_t)o->data.batch_size * s->row, then = own_int(c, "global_batch", step);
    if (rc == OK && middle && then != step)
        log_warn("%s was trained with %lld images a step, now it is %lld: the order of the images goes on; "
                 "trainer.global_batch keeps a step as it was on any number of ranks",
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
            log_warn("%s is gone: it no longer counts among the best", here);
    }
done:
    return rc;
}

/** Without a saved state (a run of another precision before) scaling starts anew. */
static void restore_scaler(train_state *t, const ckpt *c) {
    if (!t->scaler.on || !c->scaler.on)
        return;
    t->scaler.state = c->scaler;
    t->scaler.skipped = own_int(c, "skipped_steps", 0);
}

/** The schedule goes on from its state; its options are those of this run, a new base LR included. */
static void restore_schedule(train_state *t, const ckpt *c, const char *path) {
    ckpt_schedule *now = &t->schedule.state;
    const ckpt_schedule *then = &c->schedule;
    if (now->base_lr == 0) /* auto: found when the run began */
        now->base_lr = now->last_lr = then->base_lr;
    if (then->kind != now->kind) {
        log_warn("%s was trained with another schedule: this one starts with its own LR", path);
        return;
    }
    now->last_epoch = then->last_epoch;
    now->last_lr = then->base_lr > 0 ? then->last_lr * (now->base_lr / then->base_lr) : then->last_lr;
    now->best = then->best;
    now->num_bad_epochs = then->num_bad_epochs;
    now->cooldown_counter = then->cooldown_counter;
}

int snapshot_restore(setup *s, train_state *t, const ckpt *c, const char *path, const run_folder *f) {
    const ckpt_item *loss = ckpt_find_item(c->own, c->own_n, "train_loss_sum");
    int rc = OK;
    if (c->own_n == 0 && c->global_step == 0) {
        rc = fail(E_FORMAT, "%s holds weights alone, no training to go on with: start from them with --init", path);
        goto done;
    }
    TRY(check_data(s, c, path));
    TRY(check_fingerprints(s, c, path));
    TRY(snapshot_restore_weights(s, c, path));
    TRY(restore_momentum(s, c, path));
    TRY(restore_best(t, c, f, path));
    TRY(restore_bad(s->train_loader, s->train, own_string(c, "bad_train")));
    TRY(restore_bad(s->val_loader, s->val, own_string(c, "bad_val")));
    restore_schedule(t, c, path);
    if (t->schedule.state.base_lr <= 0) {
        rc = fail(E_OPTION, "%s has no learning rate: give one with --lr", path);
        goto done;
    }
    s->base_lr = t->schedule.state.base_lr;
    restore_scaler(t, c);
    const ckpt_tensor *seen = find_prefixed(c, "bn1.num_batches_tracked");
    t->batches_seen = seen != NULL && seen->type == CKPT_I64 ? *(const int64_t *)seen->data : 0;
    t->global_step = c->global_step;
    t->momentum = c->momentum_n > 0;
    t->epoch = c->epoch;
    t->batch_in_epoch = c->batch_in_epoch;
    t->train = (metrics){.loss_sum = loss != NULL ? loss->d : 0,
                         .images = own_int(c, "train_images_seen", 0),
                         .top1 = own_int(c, "train_top1", 0),
                         .top5 = own_int(c, "train_top5", 0)};
    if (c->epoch_done) {
        t->epoch++;
        t->batch_in_epoch = 0;
        t->train = (metrics){0};
    }
done:
    return rc;
}
