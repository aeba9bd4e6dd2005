#include "training/checkpoint.h"

#include "base/memory.h"
#include "base/status.h"
#include "training/ema.h"
#include "training/optimizer.h"
#include "training/run_loader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 32 /* limit for `own` and for `hyper` */

/** All data that a ckpt borrows while it is written. */
typedef struct gathered {
    ckpt c;
    unsigned char *values; /* weights, statistics, counters, then the optimizer's state */
    size_t used;
    ckpt_item own[ITEMS_MAX], hyper[ITEMS_MAX];
    text config, bad_train, bad_val, stream_hosts;
    int64_t batches_seen;
} gathered;

/** The ref engine computes in double, so its checkpoints store doubles. */
static ckpt_type value_type(const run_context *s) {
    return strcmp(engine_device(s->engine), "ref") == 0 ? CKPT_F64 : CKPT_F32;
}

static void *take(gathered *g, size_t bytes) {
    void *p = g->values + g->used;
    g->used += memory_round(bytes);
    return p;
}

/** Stores `count` values in a tensor of the checkpoint's type, converted from double. */
static void put_values(gathered *g, ckpt_tensor *t, const double *values, size_t count) {
    t->bytes = count * ckpt_type_bytes(t->type);
    t->data = take(g, t->bytes);
    if (t->type == CKPT_F64) {
        memcpy(t->data, values, t->bytes);
        return;
    }
    float *out = t->data;
    for (size_t i = 0; i < count; i++)
        out[i] = (float)values[i];
}

static void put_param(gathered *g, ckpt_tensor *t, const run_context *s, int i, const double *values) {
    const param *p = &s->model->param[i];
    *t = (ckpt_tensor){.type = value_type(s), .rank = p->rank};
    snprintf(t->name, sizeof t->name, "model.%s", p->name);
    for (int d = 0; d < p->rank; d++)
        t->shape[d] = p->shape[d];
    put_values(g, t, values, p->count);
}

/** A state_dict being built. */
typedef struct state_list {
    ckpt_tensor *tensor;
    int n;
} state_list;

static void put_stats(gathered *g, state_list *to, const run_context *s, int i, const double *values) {
    const model_stats *n = &s->model->stats[i];
    static const char *const part[] = {"running_mean", "running_var"};
    for (int k = 0; k < 2; k++) {
        ckpt_tensor *t = &to->tensor[to->n++];
        *t = (ckpt_tensor){.type = value_type(s), .rank = 1, .shape = {n->c}};
        snprintf(t->name, sizeof t->name, "model.%s.%s", n->name, part[k]);
        put_values(g, t, values + (size_t)k * (size_t)n->c, (size_t)n->c);
    }
    ckpt_tensor *t = &to->tensor[to->n++];
    *t = (ckpt_tensor){.type = CKPT_I64, .rank = 0, .data = &g->batches_seen, .bytes = sizeof g->batches_seen};
    snprintf(t->name, sizeof t->name, "model.%s.num_batches_tracked", n->name);
}

/** The index of the statistics that follow parameter i in torchvision's order (after the bias of their batch norm),
 *  or -1. */
static int stats_after(const model *n, int i) {
    const char *name = n->param[i].name;
    for (int k = 0; k < n->stats_n; k++) {
        size_t len = strlen(n->stats[k].name);
        if (strncmp(name, n->stats[k].name, len) == 0 && strcmp(name + len, ".bias") == 0)
            return k;
    }
    return -1;
}

/** Collects the engine's current weights and statistics. */
static int gather_state(gathered *g, ckpt_tensor **out, int *out_n, const run_context *s, double *one) {
    const model *n = s->model;
    state_list to = {0};
    int rc = OK;
    TRY(memory_zeroed(out, (size_t)(n->param_n + 3 * n->stats_n), sizeof **out));
    to.tensor = *out;
    for (int i = 0; i < n->param_n; i++) {
        TRY(engine_read(one, s->engine, ENGINE_WEIGHT, i));
        put_param(g, &to.tensor[to.n++], s, i, one);
        int stats = stats_after(n, i);
        if (stats >= 0) {
            TRY(engine_read(one, s->engine, ENGINE_STATS, stats));
            put_stats(g, &to, s, stats, one);
        }
    }
    *out_n = to.n;
done:
    return rc;
}

/** With an EMA, the EMA is saved as the model, and the trained weights beside it. */
static int gather_ema(gathered *g, run_context *s, double *one) {
    int rc = OK;
    TRY(gather_state(g, &g->c.current, &g->c.current_n, s, one));
    TRY(ema_swap(s));
    rc = gather_state(g, &g->c.state, &g->c.state_n, s, one);
    int back = ema_swap(s);
    rc = rc != OK ? rc : back;
done:
    return rc;
}

/** The tensors of the optimizer's state, as many as there are parameters. */
static int gather_optimizer(gathered *g, ckpt_tensor **out, int *out_n, const run_context *s, engine_what what,
                            double *one) {
    int rc = OK;
    TRY(memory_zeroed(out, (size_t)s->model->param_n, sizeof **out));
    for (int i = 0; i < s->model->param_n; i++) {
        TRY(engine_read(one, s->engine, what, i));
        put_param(g, &(*out)[(*out_n)++], s, i, one);
    }
done:
    return rc;
}

/** Numbers of copies of the weights: the model, with an EMA twice, and the optimizer's state. */
typedef struct copies {
    size_t states, optimizer;
} copies;

static copies copies_of(const run_context *s) {
    return (copies){.states = ema_on(s) ? 2 : 1,
                    .optimizer = optimizer_squares(run_context_optimizer(s->config)) ? 2 : 1};
}

static int gather_tensors(gathered *g, run_context *s, const train_state *t) {
    const model *n = s->model;
    copies k = copies_of(s);
    size_t tensors = (size_t)n->param_n * (k.states + k.optimizer) + (size_t)n->stats_n * k.states * 2;
    size_t values = n->weight_n * (k.states + k.optimizer) + n->stats_elements * k.states;
    double *one = NULL;
    int rc = OK;
    TRY(memory_zeroed(&one, model_largest(n), sizeof *one));
    TRY(memory_zeroed(&g->values, values * ckpt_type_bytes(value_type(s)) + tensors * MEMORY_ALIGN, 1));
    g->batches_seen = t->batches_seen;
    g->c.ema_updates = t->ema_updates;
    TRY(ema_on(s) ? gather_ema(g, s, one) : gather_state(g, &g->c.state, &g->c.state_n, s, one));
    if (t->momentum)
        TRY(gather_optimizer(g, &g->c.momentum, &g->c.momentum_n, s, ENGINE_MOMENTUM, one));
    if (t->momentum && k.optimizer == 2)
        TRY(gather_optimizer(g, &g->c.square, &g->c.square_n, s, ENGINE_SQUARE, one));
    g->c.param_n = n->param_n;
    TRY(optimizer_decay(&g->c.decay, s));
    g->c.head_scale = t->schedule.head_scale;
    for (int i = n->param_n; g->c.head_scale > 0 && i > 0 && n->param[i - 1].head; i--)
        g->c.head_n++;
done:
    free(one);
    return rc;
}

/** Appends an item to `own` or `hyper`. */
static ckpt_item *new_item(ckpt_item *list, int *n, const char *key) {
    assert(*n < ITEMS_MAX);
    ckpt_item *i = &list[(*n)++];
    *i = (ckpt_item){.kind = 'i'};
    snprintf(i->key, sizeof i->key, "%s", key);
    return i;
}

static void add_int(ckpt_item *list, int *n, const char *key, int64_t value) { new_item(list, n, key)->i = value; }

static void add_double(ckpt_item *list, int *n, const char *key, double value) {
    ckpt_item *i = new_item(list, n, key);
    i->kind = 'd';
    i->d = value;
}

static void add_string(ckpt_item *list, int *n, const char *key, const char *value) {
    ckpt_item *i = new_item(list, n, key);
    i->kind = 's';
    i->s = (char *)value;
}

static void add_list(ckpt_item *list, int *n, const char *key, char **strings, int string_n) {
    ckpt_item *i = new_item(list, n, key);
    i->kind = 'l';
    i->i = string_n;
    i->list = strings;
}

static int bad_list(text *out, loader *l, const dataset *d) {
    const bad_image *bad = NULL;
    int64_t n = loader_bad(&bad, l);
    int rc = OK;
    for (int64_t i = 0; rc == OK && i < n; i++)
        rc = text_printf(out, "%lld %s\n", (long long)bad[i].index, dataset_name(d, bad[i].index));
    return rc;
}

/** The hyper-parameters that Lightning shows too. */
static void gather_hyper(gathered *g, const run_context *s) {
    const config *c = s->config;
    int *n = &g->c.hyper_n;
    add_string(g->hyper, n, "arch", s->model->arch);
    add_int(g->hyper, n, "num_classes", s->model->classes);
    add_list(g->hyper, n, "class_names", s->train->class_name, s->train->class_n);
    add_int(g->hyper, n, "image_size", c->data.image_size);
    add_int(g->hyper, n, "batch_size", c->data.batch_size);
    add_double(g->hyper, n, "lr", s->base_lr);
    add_double(g->hyper, n, "momentum", c->optimizer.momentum);
    add_double(g->hyper, n, "weight_decay", c->optimizer.weight_decay);
    add_int(g->hyper, n, "max_epochs", c->trainer.max_epochs);
    g->c.hyper = g->hyper;
}

/** Collects the state that only linnet reads: fingerprints of the data, the epoch's sums so far, the batch geometry. */
static int gather_own(gathered *g, run_context *s, const train_state *t, const run_folder *f) {
    const config *c = s->config;
    ckpt_item *own = g->own;
    int *n = &g->c.own_n, rc = OK;
    TRY(config_to_yaml(&g->config, c));
    TRY(bad_list(&g->bad_train, s->train_loader, s->train));
    TRY(bad_list(&g->bad_val, s->val_loader, s->val));
    TRY(run_context_stream_hosts(&g->stream_hosts, s));
    add_int(own, n, "version", f->version);
    add_string(own, n, "arch", s->model->arch);
    add_int(own, n, "image_size", c->data.image_size);
    add_int(own, n, "resize_size", run_loader_resize(c));
    add_string(own, n, "resize_order", s->resize_order == RESIZE_HORIZONTAL ? "horizontal" : "newest");
    add_string(own, n, "train_fingerprint", fingerprint_value(&s->fingerprint[0]));
    add_string(own, n, "val_fingerprint", fingerprint_value(&s->fingerprint[1]));
    add_int(own, n, "train_images", s->train->image_n);
    add_int(own, n, "val_images", s->val->image_n);
    add_int(own, n, "seed", (int64_t)c->trainer.seed);
    add_int(own, n, "batch_size", c->data.batch_size);
    add_int(own, n, "global_batch", (int64_t)c->data.batch_size * s->micro_batches_per_step);
    add_int(own, n, "shuffle", c->data.shuffle);
    add_int(own, n, "shuffle_buffer", run_loader_shuffle_buffer(c));
    add_string(own, n, "stream_hosts", text_string(&g->stream_hosts));
    add_int(own, n, "repeats", c->data.repeats);
    add_double(own, n, "balance", c->data.balance);
    add_int(own, n, "overfit", c->trainer.overfit_batches != 0);
    add_double(own, n, "val_split", c->data.val_split);
    add_int(own, n, "train_batches", s->train_batches);
    add_int(own, n, "val_step", t->val_step);
    add_double(own, n, "train_loss_sum", t->train.loss_sum);
    add_int(own, n, "train_images_seen", t->train.images);
    add_int(own, n, "train_top1", t->train.top1);
    add_int(own, n, "train_top5", t->train.top5);
    add_int(own, n, "skipped_steps", t->scaler.skipped);
    add_string(own, n, "bad_train", text_string(&g->bad_train));
    add_string(own, n, "bad_val", text_string(&g->bad_val));
    add_string(own, n, "precision", precision_name(s->precision));
    add_string(own, n, "config", text_string(&g->config));
    g->c.own = own;
done:
    return rc;
}

static void gather_progress(ckpt *c, const run_context *s, const train_state *t, const top_k *kept,
                            const run_folder *f) {
    const config *o = s->config;
    c->epoch = t->epoch;
    c->global_step = t->global_step;
    c->batches_per_epoch = s->train_batches;
    c->batch_in_epoch = t->batch_in_epoch;
    c->epoch_done = t->epoch_done;
    c->schedule = t->schedule.state;
    c->scaler = t->scaler.state;
    c->optimizer = optimizer_options(o, t);
    snprintf(c->monitor, sizeof c->monitor, "%s", o->checkpoint.monitor);
    c->monitor_max = kept->max;
    c->early_stopping = t->early_stopping.state;
    if (o->trainer.max_time > 0)
        c->train_seconds = ranks_run_seconds(&s->ranks, t);
    c->kept = kept->kept;
    c->kept_n = kept->n;
    const ckpt_kept *best = top_k_best(kept);
    c->best_value = best != NULL ? best->value : NAN;
    c->current_value = train_state_score(t, o->checkpoint.monitor);
    snprintf(c->monitor_dir, sizeof c->monitor_dir, "%s", f->checkpoints);
    snprintf(c->last_path, sizeof c->last_path, "%s", f->last);
}

#define ENTRY_BYTES 512          /* per tensor: its headers in the zip file and its part of the pickle */
#define REST_BYTES (64ull << 10) /* the configuration and the other state */

uint64_t checkpoint_bytes(const run_context *s) {
    const model *n = s->model;
    copies k = copies_of(s);
    uint64_t names = 0, steps = k.optimizer - 1; /* the optimizer's step is a tensor too */
    uint64_t tensors = (uint64_t)n->param_n * (k.states + k.optimizer + steps) + (uint64_t)n->stats_n * 3 * k.states;
    uint64_t values = n->weight_n * (k.states + k.optimizer) + n->stats_elements * k.states;
    for (int i = 0; i < s->train->class_n; i++)
        names += strlen(s->train->class_name[i]) + 16;
    return values * ckpt_type_bytes(value_type(s)) + tensors * ENTRY_BYTES + names + REST_BYTES;
}

int checkpoint_save(const char *path, run_context *s, const train_state *t, const top_k *kept, const run_folder *f) {
    gathered *g = NULL;
    int rc = OK;
    TRY(memory_zeroed(&g, 1, sizeof *g));
    gather_progress(&g->c, s, t, kept, f);
    TRY(gather_tensors(g, s, t));
    TRY(gather_own(g, s, t, f));
    gather_hyper(g, s);
    TRY(ckpt_save(path, &g->c));
done:
    if (g != NULL) {
        free(g->values);
        free(g->c.state);
        free(g->c.current);
        free(g->c.momentum);
        free(g->c.square);
        free(g->c.decay);
        text_deinit(&g->config);
        text_deinit(&g->bad_train);
        text_deinit(&g->bad_val);
        text_deinit(&g->stream_hosts);
        free(g);
    }
    return rc;
}
