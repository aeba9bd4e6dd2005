/* Reads Lightning's own keys (loops, LR schedulers, callbacks) of a file without the key "linnet". */
#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/layout.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/** Reads element i of a list. */
static void get_element(double *out, const value *dict, const char *key, size_t i) {
    value_double(out, list_get(dict_get(dict, key), i));
}

static void get_int(int *out, const value *dict, const char *key) {
    int64_t i = 0;
    if (value_int(&i, dict_get(dict, key)) && i >= INT_MIN && i <= INT_MAX)
        *out = (int)i;
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
    if (value_is_true(dict_get(batches, "is_last_batch"))) {
        c->batches_per_epoch = c->batch_in_epoch;
        c->epoch_done = epochs > c->epoch;
    }
}

static void read_schedule(ckpt *c, const value *top, size_t base) {
    const value *dict = list_get(dict_get(top, "lr_schedulers"), 0);
    ckpt_schedule *s = &c->schedule;
    s->kind = dict_get(dict, "step_size") != NULL    ? CKPT_SCHEDULE_STEP
              : dict_get(dict, "milestones") != NULL ? CKPT_SCHEDULE_MULTISTEP
              : dict_get(dict, "patience") != NULL   ? CKPT_SCHEDULE_PLATEAU
              : dict_get(dict, "T_max") != NULL      ? CKPT_SCHEDULE_COSINE
                                                     : CKPT_SCHEDULE_NONE;
    value_int(&s->last_epoch, dict_get(dict, "last_epoch"));
    s->base_lr = c->optimizer.initial_lr;
    s->last_lr = c->optimizer.lr;
    get_element(&s->base_lr, dict, "base_lrs", base);
    if (s->kind == CKPT_SCHEDULE_PLATEAU && dict_get(layout_group(top, base), "initial_lr") == NULL)
        s->base_lr = 0; /* unknown: the LR may have been reduced since */
    get_element(&s->last_lr, dict, "_last_lr", base);
    get_int(&s->step_size, dict, "step_size");
    dict_double(&s->gamma, dict, "gamma");
    dict_double(&s->factor, dict, "factor");
    dict_double(&s->min_lr, dict, "eta_min");
    get_element(&s->min_lr, dict, "min_lrs", base);
    dict_double(&s->threshold, dict, "threshold");
    dict_double(&s->best, dict, "best");
    dict_double(&s->eps, dict, "eps");
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
    TRY(layout_check_entries(callbacks, "'callbacks'"));
    for (size_t i = 0; i < dict_n(callbacks); i++) {
        const value *key = callbacks->list.items[2 * i], *v = callbacks->list.items[2 * i + 1];
        if (key->kind != VALUE_STRING || key->string.n < sizeof prefix - 1 ||
            memcmp(key->string.s, prefix, sizeof prefix - 1) != 0)
            continue;
        TRY(layout_check_entries(v, "a callback"));
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
        TRY(layout_check_entries(v, "a callback"));
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

int layout_read_lightning(ckpt *c, const value *top, size_t base, tensor_source *source) {
    value_int(&c->epoch, dict_get(top, "epoch"));
    value_int(&c->global_step, dict_get(top, "global_step"));
    read_loops(c, top);
    read_schedule(c, top, base);
    return read_callbacks(c, top, source);
}
