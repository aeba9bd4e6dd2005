/* Reads Lightning's own keys (loops, LR schedulers, callbacks) of a file without the key "linnet", and the optimizer
 * state of every file. */
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/layout.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PARAM_LIMIT 65536
#define ENTRY_LIMIT 1024 /* limit of entries of a dictionary that is searched repeatedly */

/** Item i of a list; NULL if `list` is NULL, not a list, or shorter. */
static const value *item_get(const value *list, size_t i) {
    return list != NULL && list->kind == VALUE_LIST && i < list->list.n ? list->list.items[i] : NULL;
}

static void get_double(double *out, const value *dict, const char *key) { value_double(out, dict_get(dict, key)); }

static void get_first(double *out, const value *dict, const char *key) {
    value_double(out, item_get(dict_get(dict, key), 0));
}

static void get_int(int *out, const value *dict, const char *key) {
    int64_t i = 0;
    if (value_int(&i, dict_get(dict, key)) && i >= INT_MIN && i <= INT_MAX)
        *out = (int)i;
}

/** Limits the size of a dictionary. A file may refer to one large dictionary many times, and each reference is
 *  searched. */
static int check_entries(const value *dict, const char *what) {
    if (dict_n(dict) > ENTRY_LIMIT)
        return fail(E_FORMAT, "%s has %zu entries, more than the limit of %d", what, dict_n(dict), ENTRY_LIMIT);
    return OK;
}

static bool is_true(const value *v) { return v != NULL && v->kind == VALUE_BOOL && v->b; }

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), end_n = strlen(end);
    return n >= end_n && strcmp(s + n - end_n, end) == 0;
}

/** Gives each momentum buffer the name of its parameter: the state_dict's entries that are not buffers, in their
 *  order. */
static void momentum_name(ckpt *c) {
    static const char *const buffers[] = {".running_mean", ".running_var", ".num_batches_tracked"};
    int k = 0;
    for (int i = 0; i < c->state_n; i++) {
        bool buffer = false;
        for (int b = 0; b < 3; b++)
            buffer = buffer || ends_with(c->state[i].name, buffers[b]);
        if (buffer)
            continue;
        if (k < c->momentum_n)
            memcpy(c->momentum[k].name, c->state[i].name, sizeof c->momentum[k].name);
        k++;
    }
    for (int i = 0; k != c->momentum_n && i < c->momentum_n; i++)
        c->momentum[i].name[0] = 0;
}

static int read_momentum(ckpt *c, const value *state, tensor_source *source) {
    int rc = OK;
    int found = 0;
    size_t n = dict_n(state);
    if (n == 0 || c->param_n == 0)
        return OK;
    if (n > PARAM_LIMIT)
        return fail(E_FORMAT, "%zu parameters in the optimizer state, more than the limit of %d", n, PARAM_LIMIT);
    TRY(memory_zeroed(&c->momentum, (size_t)c->param_n, sizeof *c->momentum));
    c->momentum_n = c->param_n;
    for (size_t i = 0; i < n; i++) {
        const value *key = state->list.items[2 * i];
        TRY(check_entries(state->list.items[2 * i + 1], "the state of a parameter"));
        const value *buffer = dict_get(state->list.items[2 * i + 1], "momentum_buffer");
        if (key->kind != VALUE_INT || key->i < 0 || key->i >= c->param_n || buffer == NULL ||
            buffer->kind != VALUE_TENSOR || c->momentum[key->i].data != NULL)
            continue;
        rc = tensor_load(&c->momentum[key->i], source, buffer->tensor);
        if (rc != OK) {
            fail_context(rc, "momentum of parameter %d", (int)key->i);
            goto done;
        }
        found++;
    }
    if (found < c->param_n) {
        if (found > 0)
            log_warn(
                "the checkpoint has momentum buffers for only %d of %d parameters: all momentum buffers start at zero",
                found, c->param_n);
        for (int i = 0; i < c->momentum_n; i++)
            free(c->momentum[i].data);
        c->momentum_n = 0;
    }
    momentum_name(c);
done:
    return rc;
}

/** Reads the number of parameters of a second group and the ratio of its LR to the first group's. It prefers the
 *  initial rates, because a schedule may have reduced the current ones to 0. */
static void read_head(ckpt *c, const value *groups) {
    static const char *const keys[] = {"initial_lr", "lr"};
    const value *params = dict_get(item_get(groups, 1), "params");
    if (params == NULL || params->kind != VALUE_LIST || item_get(groups, 2) != NULL)
        return;
    for (int k = 0; k < 2; k++) {
        double first = 0, second = 0;
        get_double(&first, item_get(groups, 0), keys[k]);
        get_double(&second, item_get(groups, 1), keys[k]);
        if (first > 0 && first < INFINITY && second > 0 && second < INFINITY) {
            c->head_n = (int)params->list.n;
            c->head_scale = second / first;
            return;
        }
    }
}

int layout_read_optimizer(ckpt *c, const value *top, tensor_source *source) {
    const value *optimizer = item_get(dict_get(top, "optimizer_states"), 0);
    const value *groups = dict_get(optimizer, "param_groups");
    size_t params = 0;
    int rc = OK;
    for (size_t g = 0; item_get(groups, g) != NULL; g++) {
        if (g == PARAM_LIMIT)
            return fail(E_FORMAT, "more than %d parameter groups in the optimizer", PARAM_LIMIT);
        TRY(check_entries(item_get(groups, g), "a parameter group"));
        const value *list = dict_get(item_get(groups, g), "params");
        params += list != NULL && list->kind == VALUE_LIST ? list->list.n : 0;
        if (params > PARAM_LIMIT)
            return fail(E_FORMAT, "%zu parameters in the optimizer, more than the limit of %d", params, PARAM_LIMIT);
    }
    c->param_n = (int)params;
    read_head(c, groups);
    TRY(read_momentum(c, dict_get(optimizer, "state"), source));
done:
    return rc;
}

/** Lightning 2 stores its counters under dotted keys. A batch is finished once it is "processed": "completed" is
 *  updated only after the callbacks, which may save in the middle of an epoch. */
static void read_loops(ckpt *c, const value *top) {
    const value *loop = dict_get(dict_get(top, "loops"), "fit_loop");
    const value *batches = dict_get(loop, "epoch_loop.batch_progress");
    const value *current = dict_get(batches, "current");
    int64_t epochs = 0;
    if (!value_int(&c->batch_in_epoch, dict_get(current, "processed")))
        value_int(&c->batch_in_epoch, dict_get(current, "completed"));
    value_int(&epochs, dict_get(dict_get(dict_get(loop, "epoch_progress"), "current"), "processed"));
    if (is_true(dict_get(batches, "is_last_batch"))) {
        c->batches_per_epoch = c->batch_in_epoch;
        c->epoch_done = epochs > c->epoch;
    }
}

static const value *first_group(const value *top) {
    return item_get(dict_get(item_get(dict_get(top, "optimizer_states"), 0), "param_groups"), 0);
}

static void read_sgd(ckpt *c, const value *top) {
    const value *group = first_group(top);
    get_double(&c->sgd.lr, group, "lr");
    c->sgd.initial_lr = c->sgd.lr; /* the default, as ReduceLROnPlateau does not record it */
    get_double(&c->sgd.initial_lr, group, "initial_lr");
    get_double(&c->sgd.momentum, group, "momentum");
    get_double(&c->sgd.dampening, group, "dampening");
    get_double(&c->sgd.weight_decay, group, "weight_decay");
    c->sgd.nesterov = is_true(dict_get(group, "nesterov"));
}

static void read_schedule(ckpt *c, const value *top) {
    const value *dict = item_get(dict_get(top, "lr_schedulers"), 0);
    ckpt_schedule *s = &c->schedule;
    s->kind = dict_get(dict, "step_size") != NULL    ? CKPT_SCHEDULE_STEP
              : dict_get(dict, "milestones") != NULL ? CKPT_SCHEDULE_MULTISTEP
              : dict_get(dict, "patience") != NULL   ? CKPT_SCHEDULE_PLATEAU
              : dict_get(dict, "T_max") != NULL      ? CKPT_SCHEDULE_COSINE
                                                     : CKPT_SCHEDULE_NONE;
    value_int(&s->last_epoch, dict_get(dict, "last_epoch"));
    s->base_lr = c->sgd.initial_lr;
    s->last_lr = c->sgd.lr;
    get_first(&s->base_lr, dict, "base_lrs");
    if (s->kind == CKPT_SCHEDULE_PLATEAU && dict_get(first_group(top), "initial_lr") == NULL)
        s->base_lr = 0; /* unknown: the LR may have been reduced since */
    get_first(&s->last_lr, dict, "_last_lr");
    get_int(&s->step_size, dict, "step_size");
    get_double(&s->gamma, dict, "gamma");
    get_double(&s->factor, dict, "factor");
    get_double(&s->min_lr, dict, "eta_min");
    get_first(&s->min_lr, dict, "min_lrs");
    get_double(&s->threshold, dict, "threshold");
    get_double(&s->best, dict, "best");
    get_double(&s->eps, dict, "eps");
    get_int(&s->patience, dict, "patience");
    get_int(&s->cooldown, dict, "cooldown");
    get_int(&s->cooldown_counter, dict, "cooldown_counter");
    get_int(&s->num_bad_epochs, dict, "num_bad_epochs");
    get_int(&s->t_max, dict, "T_max");
}

/** Finds the ModelCheckpoint that monitors val_loss, else the first that monitors any value; NULL: none. `key`: its
 *  key, which has the mode. */
static int find_callback(const value **found, const value **found_key, const value *callbacks) {
    static const char prefix[] = "ModelCheckpoint";
    int rc = OK;
    *found = *found_key = NULL;
    TRY(check_entries(callbacks, "'callbacks'"));
    for (size_t i = 0; i < dict_n(callbacks); i++) {
        const value *key = callbacks->list.items[2 * i], *v = callbacks->list.items[2 * i + 1];
        if (key->kind != VALUE_STRING || key->string.n < sizeof prefix - 1 ||
            memcmp(key->string.s, prefix, sizeof prefix - 1) != 0)
            continue;
        TRY(check_entries(v, "a callback"));
        const value *monitor = dict_get(v, "monitor");
        bool is_loss = value_is_string(monitor, "val_loss");
        if (is_loss || (*found == NULL && monitor != NULL && monitor->kind == VALUE_STRING)) {
            *found = v;
            *found_key = key;
        }
        if (is_loss)
            break;
    }
done:
    return rc;
}

/** The text between `before` and the next quote in a callback's key; false if it is not there or too long. */
static bool key_part(char *out, size_t capacity, const value *key, const char *before) {
    char name[256];
    if (key == NULL || key->kind != VALUE_STRING || !pickle_text(name, sizeof name, key->string.s, key->string.n))
        return false;
    const char *begin = strstr(name, before);
    if (begin == NULL)
        return false;
    begin += strlen(before);
    size_t n = strcspn(begin, "'");
    if (n >= capacity)
        return false;
    memcpy(out, begin, n);
    out[n] = 0;
    return true;
}

static bool key_is_max(const value *key) {
    char mode[8];
    return key_part(mode, sizeof mode, key, "'mode': '") && strcmp(mode, "max") == 0;
}

/** Reads the first EarlyStopping; its metric and mode are in its key. */
static int read_early_stopping(ckpt_early_stopping *e, const value *callbacks, tensor_source *source) {
    static const char prefix[] = "EarlyStopping{'monitor': '";
    int rc = OK;
    for (size_t i = 0; i < dict_n(callbacks); i++) {
        const value *key = callbacks->list.items[2 * i], *v = callbacks->list.items[2 * i + 1];
        if (!key_part(e->monitor, sizeof e->monitor, key, prefix))
            continue;
        TRY(check_entries(v, "a callback"));
        e->max = key_is_max(key);
        value_int(&e->wait_count, dict_get(v, "wait_count"));
        value_int(&e->stopped_epoch, dict_get(v, "stopped_epoch"));
        get_int(&e->patience, v, "patience");
        TRY(layout_number(&e->best_score, dict_get(v, "best_score"), source));
        e->on = !isnan(e->best_score);
        break;
    }
done:
    return rc;
}

static int read_callbacks(ckpt *c, const value *top, tensor_source *source) {
    int rc = OK;
    const value *callback = NULL, *key = NULL, *found = NULL, *callbacks = dict_get(top, "callbacks");
    TRY(find_callback(&callback, &key, callbacks));
    TRY(read_early_stopping(&c->early_stopping, callbacks, source));
    if ((found = dict_get(callback, "monitor")) != NULL &&
        !pickle_text(c->monitor, sizeof c->monitor, found->string.s, found->string.n))
        c->monitor[0] = 0; /* none of linnet's metrics */
    c->monitor_max = key_is_max(key);
    const value *models = dict_get(callback, "best_k_models");
    size_t n = dict_n(models);
    TRY(layout_number(&c->best_value, dict_get(callback, "best_model_score"), source));
    TRY(layout_number(&c->current_value, dict_get(callback, "current_score"), source));
    if ((found = dict_get(callback, "dirpath")) != NULL && found->kind == VALUE_STRING)
        TRY(layout_string(c->monitor_dir, sizeof c->monitor_dir, found, "'dirpath'"));
    if ((found = dict_get(callback, "last_model_path")) != NULL && found->kind == VALUE_STRING)
        TRY(layout_string(c->last_path, sizeof c->last_path, found, "'last_model_path'"));
    if (n > LAYOUT_KEPT_LIMIT) {
        rc = fail(E_FORMAT, "%zu best checkpoints, more than the limit of %d", n, LAYOUT_KEPT_LIMIT);
        goto done;
    }
    TRY(memory_zeroed(&c->kept, n, sizeof *c->kept));
    for (size_t i = 0; i < n; i++) {
        ckpt_kept *kept = &c->kept[i];
        TRY(layout_string(kept->path, sizeof kept->path, models->list.items[2 * i], "'best_k_models'"));
        TRY(layout_number(&kept->value, models->list.items[2 * i + 1], source));
        c->kept_n++;
    }
done:
    return rc;
}

int layout_read_lightning(ckpt *c, const value *top, tensor_source *source) {
    value_int(&c->epoch, dict_get(top, "epoch"));
    value_int(&c->global_step, dict_get(top, "global_step"));
    read_loops(c, top);
    read_sgd(c, top);
    read_schedule(c, top);
    return read_callbacks(c, top, source);
}
