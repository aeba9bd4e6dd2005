/* Reads a checkpoint in Lightning's layout, as linnet or Lightning wrote it: docs/formats.md. */
#include "checkpoint/layout.h"

#include "base/memory.h"
#include "base/status.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far above any real checkpoint, so that a small hostile file cannot make large tables. */
#define ITEM_LIMIT 65536u
#define EPOCH_LIMIT ((int64_t)1 << 24) /* of random_open */
#define COUNT_LIMIT ((int64_t)1 << 53) /* batches and steps: exact as doubles */
#define TIME_LIMIT 1e12                /* seconds */

int layout_string(char *out, size_t capacity, const value *v, const char *what) {
    if (v->kind != VALUE_STRING || !pickle_text(out, capacity, v->string.s, v->string.n))
        return fail(E_FORMAT, "%s is not a string of less than %zu bytes", what, capacity);
    return OK;
}

int layout_number(double *out, const value *v, tensor_source *source) {
    *out = NAN;
    if (v == NULL || value_double(out, v) || v->kind != VALUE_TENSOR || v->tensor->numel != 1)
        return OK;
    ckpt_tensor t = {0};
    int rc = tensor_load(&t, source, v->tensor);
    if (rc != OK)
        return rc;
    float f;
    int64_t i;
    if (t.type == CKPT_F64) {
        memcpy(out, t.data, sizeof *out);
    } else if (t.type == CKPT_F32) {
        memcpy(&f, t.data, sizeof f);
        *out = f;
    } else if (t.type == CKPT_I64) {
        memcpy(&i, t.data, sizeof i);
        *out = (double)i;
    }
    free(t.data);
    return OK;
}

int layout_read_fields(void *object, const layout_field *fields, const value *dict) {
    for (const layout_field *f = fields; f->key != NULL; f++) {
        const value *v = dict_get(dict, f->key);
        void *at = (char *)object + f->offset;
        int64_t i = 0;
        double d = 0;
        if (v == NULL)
            continue;
        if (f->kind == 'b' && v->kind == VALUE_BOOL)
            *(bool *)at = v->b;
        else if (f->kind == 'd' && value_double(&d, v))
            *(double *)at = d;
        else if (f->kind == 'q' && value_int(&i, v))
            *(int64_t *)at = i;
        else if (f->kind == 'i' && value_int(&i, v) && i >= INT_MIN && i <= INT_MAX)
            *(int *)at = (int)i;
        else
            return fail(E_FORMAT, "'%s' has the wrong type or is out of range", f->key);
    }
    return OK;
}

/** Subtracts bytes of strings from the memory that the file may still use. */
static int take_budget(tensor_source *source, uint64_t bytes) {
    if (bytes > source->budget)
        return fail(E_FORMAT, "the strings need far more memory than the file size: the file is corrupt");
    source->budget -= bytes;
    return OK;
}

/** Reads a list of strings; *used stays false if the list has other elements. */
static int list_read(ckpt_item *item, bool *used, const value *list, tensor_source *source) {
    uint64_t n = list->list.n, bytes = n * sizeof(char *);
    int rc = OK;
    if (n > ITEM_LIMIT)
        return OK;
    TRY(take_budget(source, n)); /* bounds the time too: many items may refer to the same list */
    for (uint64_t i = 0; i < n; i++) {
        const value *v = list->list.items[i];
        if (v->kind != VALUE_STRING)
            return OK;
        bytes += v->string.n + 1;
    }
    TRY(take_budget(source, bytes));
    TRY(memory_zeroed(&item->list, bytes, 1));
    char *at = (char *)(item->list + n);
    for (uint64_t i = 0; i < n; i++) {
        const value *v = list->list.items[i];
        if (!pickle_text(at, v->string.n + 1, v->string.s, v->string.n)) {
            free(item->list);
            item->list = NULL;
            goto done;
        }
        item->list[i] = at;
        at += strlen(at) + 1;
    }
    item->kind = 'l';
    item->i = (int64_t)n;
    *used = true;
done:
    return rc;
}

/** Sets a zeroed item; *used: whether ckpt_item supports the value's kind. */
static int item_read(ckpt_item *item, bool *used, const value *key, const value *v, tensor_source *source) {
    int rc = OK;
    *used = false;
    if (key->kind != VALUE_STRING || !pickle_text(item->key, sizeof item->key, key->string.s, key->string.n))
        return OK;
    switch (v->kind) {
    case VALUE_INT:
        item->kind = 'i';
        item->i = v->i;
        break;
    case VALUE_BOOL:
        item->kind = 'b';
        item->i = v->b;
        break;
    case VALUE_FLOAT:
        item->kind = 'd';
        item->d = v->d;
        break;
    case VALUE_STRING:
        item->kind = 's';
        TRY(take_budget(source, v->string.n + 1));
        TRY(memory_zeroed(&item->s, v->string.n + 1, 1));
        if (!pickle_text(item->s, v->string.n + 1, v->string.s, v->string.n)) {
            free(item->s);
            item->s = NULL;
            return OK;
        }
        break;
    case VALUE_LIST: return list_read(item, used, v, source);
    default: return OK;
    }
    *used = true;
done:
    return rc;
}

int layout_read_items(ckpt_item **out, int *out_n, const value *dict, tensor_source *source) {
    int rc = OK;
    size_t n = dict_n(dict);
    if (n > ITEM_LIMIT)
        return fail(E_FORMAT, "%zu hyper-parameters, more than the limit of %u", n, ITEM_LIMIT);
    TRY(memory_zeroed(out, n, sizeof **out));
    for (size_t i = 0; i < n; i++) {
        bool used = false;
        TRY(item_read(&(*out)[*out_n], &used, dict->list.items[2 * i], dict->list.items[2 * i + 1], source));
        if (used)
            (*out_n)++;
        else
            (*out)[*out_n] = (ckpt_item){0};
    }
done:
    return rc;
}

static int read_kept(ckpt *c, const value *list) {
    int rc = OK;
    if (list == NULL || list->kind != VALUE_LIST)
        return OK;
    if (list->list.n > LAYOUT_KEPT_LIMIT)
        return fail(E_FORMAT, "%zu best checkpoints, more than the limit of %d", list->list.n, LAYOUT_KEPT_LIMIT);
    TRY(memory_zeroed(&c->kept, list->list.n, sizeof *c->kept));
    for (size_t i = 0; i < list->list.n; i++) {
        const value *pair = list->list.items[i];
        if (pair->kind != VALUE_LIST || pair->list.n != 2 || !value_double(&c->kept[i].value, pair->list.items[1])) {
            rc = fail(E_FORMAT, "'kept' is not a list of (path, value)");
            goto done;
        }
        TRY(layout_string(c->kept[i].path, sizeof c->kept[i].path, pair->list.items[0], "'kept'"));
        c->kept_n++;
    }
done:
    return rc;
}

/** The monitored metric of the best files; older files were always about val_loss. */
static int read_monitor(ckpt *c, const value *own) {
    const value *monitor = dict_get(own, "monitor");
    c->monitor_max = value_is_string(dict_get(own, "mode"), "max");
    if (monitor != NULL)
        return layout_string(c->monitor, sizeof c->monitor, monitor, "'monitor'");
    memcpy(c->monitor, "val_loss", sizeof "val_loss");
    return OK;
}

static int read_early_stopping(ckpt_early_stopping *e, const value *dict) {
    const value *monitor = dict_get(dict, "monitor");
    int rc = OK;
    if (monitor == NULL)
        return OK;
    TRY(layout_string(e->monitor, sizeof e->monitor, monitor, "'monitor'"));
    TRY(layout_read_fields(e, layout_early_stopping, dict));
    e->on = true;
done:
    return rc;
}

static int read_own(ckpt *c, const value *own, tensor_source *source) {
    int rc = OK;
    int64_t version = 0;
    const value *schedule = dict_get(own, "schedule"), *found = NULL;
    if (!value_int(&version, dict_get(own, "version")) || version < 1)
        return fail(E_FORMAT, "'version' has the wrong type or is out of range");
    if (version > LAYOUT_VERSION)
        return fail(E_FORMAT,
                    "the file was written by a newer version of linnet (layout %lld; this program reads up to %d): "
                    "update linnet",
                    (long long)version, LAYOUT_VERSION);
    TRY(layout_read_fields(c, layout_progress, dict_get(own, "progress")));
    TRY(layout_read_fields(&c->schedule, layout_schedule, schedule));
    for (int k = 0; k < CKPT_SCHEDULE_KINDS; k++)
        if (value_is_string(dict_get(schedule, "kind"), layout_kinds[k]))
            c->schedule.kind = (ckpt_schedule_kind)k;
    TRY(read_early_stopping(&c->early_stopping, dict_get(own, "early_stopping")));
    TRY(read_monitor(c, own));
    TRY(read_kept(c, dict_get(own, "kept")));
    if ((found = dict_get(own, "monitor_dir")) != NULL)
        TRY(layout_string(c->monitor_dir, sizeof c->monitor_dir, found, "'monitor_dir'"));
    if ((found = dict_get(own, "last_path")) != NULL)
        TRY(layout_string(c->last_path, sizeof c->last_path, found, "'last_path'"));
    TRY(layout_read_items(&c->own, &c->own_n, dict_get(own, "items"), source));
done:
    return rc;
}

static int by_name(const void *a, const void *b) {
    const ckpt_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

int layout_check_names(const ckpt *c) {
    int rc = OK;
    const ckpt_tensor **sorted = NULL;
    TRY(memory_zeroed(&sorted, (size_t)c->state_n, sizeof *sorted));
    for (int i = 0; i < c->state_n; i++)
        sorted[i] = &c->state[i];
    qsort(sorted, (size_t)c->state_n, sizeof *sorted, by_name);
    for (int i = 1; i < c->state_n && rc == OK; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            rc = fail(E_FORMAT, "tensor %s occurs twice", sorted[i]->name);
done:
    free(sorted);
    return rc;
}

/** Notes an entry of the state_dict that is an object of an unknown class. */
static int unread_add(ckpt *c, size_t *capacity, const value *key, const value *v) {
    char what[2 * NAME_SHOWN];
    ckpt_unread *u = NULL;
    if (c->unread_n == CKPT_UNREAD_LIMIT)
        return OK;
    int rc = memory_grow(&c->unread, capacity, (size_t)c->unread_n + 1, sizeof *c->unread);
    if (rc != OK)
        return rc;
    u = &c->unread[c->unread_n];
    snprintf(u->what, sizeof u->what, "%s", opaque_shown(what, v));
    if (pickle_text(u->name, sizeof u->name, key->string.s, key->string.n))
        c->unread_n++;
    return OK;
}

static int find_unread(ckpt *c, const value *dict) {
    size_t capacity = 0;
    int rc = OK;
    for (size_t i = 0; rc == OK && i < dict_n(dict); i++)
        if (dict->list.items[2 * i]->kind == VALUE_STRING && dict->list.items[2 * i + 1]->kind == VALUE_OPAQUE)
            rc = unread_add(c, &capacity, dict->list.items[2 * i], dict->list.items[2 * i + 1]);
    return rc;
}

/** Reads the tensors of a state_dict; other values are skipped. */
static int read_tensors(ckpt_tensor **out, int *out_n, const value *dict, tensor_source *source) {
    int rc = OK;
    size_t n = dict_n(dict);
    char shown[NAME_SHOWN];
    if (n > LAYOUT_TENSOR_LIMIT)
        return fail(E_FORMAT, "%zu tensors, more than the limit of %d", n, LAYOUT_TENSOR_LIMIT);
    TRY(memory_zeroed(out, n, sizeof **out));
    for (size_t i = 0; i < n; i++) {
        const value *key = dict->list.items[2 * i], *v = dict->list.items[2 * i + 1];
        if (key->kind != VALUE_STRING || v->kind != VALUE_TENSOR)
            continue;
        ckpt_tensor *t = &(*out)[*out_n];
        TRY(layout_string(t->name, sizeof t->name, key, "a tensor's name"));
        rc = tensor_load(t, source, v->tensor);
        if (rc != OK) {
            fail_context(rc, "tensor %s", name_shown(shown, key->string.s, key->string.n));
            goto done;
        }
        (*out_n)++;
    }
done:
    return rc;
}

static int no_tensors(const ckpt *c) {
    char shown[NAME_SHOWN];
    if (c->parts[0] != 0)
        return fail(E_FORMAT, "no tensors were found at the usual keys, but under %s: choose one with --init-key",
                    c->parts);
    if (c->unread_n > 0)
        return fail(E_FORMAT, "the file contains no tensors that can be read: %s is of type %s",
                    name_shown(shown, c->unread->name, strlen(c->unread->name)), c->unread->what);
    return fail(E_FORMAT, "the file contains no tensors: it is neither a checkpoint nor a state_dict");
}

static int read_state(ckpt *c, const value *top, tensor_source *source) {
    const value *dict = NULL;
    int rc = OK;
    TRY(layout_find_state(&dict, c, top));
    TRY(read_tensors(&c->state, &c->state_n, dict, source));
    TRY(find_unread(c, dict));
    rc = c->state_n == 0 ? no_tensors(c) : layout_check_names(c);
done:
    return rc;
}

/** Reads the trained weights of a file whose state_dict is an EMA: of linnet, or of Lightning's WeightAveraging
 *  callback. */
static int read_ema(ckpt *c, const value *top, tensor_source *source) {
    const value *current = dict_get(top, "current_model_state");
    double n = NAN;
    int rc = OK;
    if (current == NULL || current->kind != VALUE_DICT)
        return OK;
    c->ema_updates = 1; /* if the file has no count */
    TRY(read_tensors(&c->current, &c->current_n, current, source));
    TRY(layout_number(&n, dict_get(dict_get(top, "averaging_state"), "n_averaged"), source));
    if (n < 0 || n > (double)COUNT_LIMIT)
        return fail(E_FORMAT, "invalid EMA: n_averaged is %g", n);
    if (!isnan(n))
        c->ema_updates = (int64_t)n;
done:
    return rc;
}

static int ranges_check(const ckpt *c) {
    if (c->epoch < 0 || c->epoch >= EPOCH_LIMIT || c->global_step < 0 || c->global_step > COUNT_LIMIT ||
        c->batches_per_epoch < 0 || c->batches_per_epoch > COUNT_LIMIT || c->batch_in_epoch < 0 ||
        c->batch_in_epoch > COUNT_LIMIT || (c->batches_per_epoch > 0 && c->batch_in_epoch > c->batches_per_epoch))
        return fail(E_FORMAT, "invalid progress: epoch %lld, step %lld, batch %lld of %lld", (long long)c->epoch,
                    (long long)c->global_step, (long long)c->batch_in_epoch, (long long)c->batches_per_epoch);
    return OK;
}

static int read_scaler(ckpt *c, const value *dict) {
    int rc = OK;
    ckpt_grad_scaler *s = &c->scaler;
    if (dict == NULL || dict->kind != VALUE_DICT || dict_n(dict) == 0) /* the state of a disabled GradScaler is empty */
        return OK;
    TRY(layout_read_fields(s, layout_grad_scaler, dict));
    if (!(s->scale > 0 && s->scale < INFINITY && s->growth_factor >= 1 && s->backoff_factor > 0 &&
          s->backoff_factor < 1 && s->growth_interval > 0 && s->growth_tracker >= 0))
        return fail(E_FORMAT, "invalid state of the loss scaler: scale %g", s->scale);
    s->on = true;
done:
    return rc;
}

/** Reads the time that Lightning's Timer has counted. */
static int read_timer(ckpt *c, const value *top, tensor_source *source) {
    const value *elapsed = dict_get(dict_get(dict_get(top, "callbacks"), "Timer"), "time_elapsed");
    double seconds = NAN;
    int rc = layout_number(&seconds, dict_get(elapsed, "train"), source);
    if (rc == OK && !isnan(seconds) && !(seconds >= 0 && seconds <= TIME_LIMIT))
        rc = fail(E_FORMAT, "invalid Timer: time_elapsed is %g", seconds);
    c->train_seconds = isnan(seconds) ? 0 : seconds;
    return rc;
}

static bool is_own(const value *top) {
    const value *own = dict_get(top, "linnet");
    return own != NULL && own->kind == VALUE_DICT;
}

/** Whether the file contains more than weights. */
static bool is_training(const value *top) {
    const value *version = dict_get(top, "pytorch-lightning_version");
    return is_own(top) || (version != NULL && version->kind == VALUE_STRING);
}

/** `base`: of layout_groups. */
static int read_progress(ckpt *c, const value *top, size_t base, tensor_source *source) {
    int rc = OK;
    c->best_value = c->current_value = NAN;
    if (!is_training(top))
        return OK;
    TRY(layout_read_group(&c->optimizer, top, base));
    TRY(read_timer(c, top, source));
    TRY(is_own(top) ? read_own(c, dict_get(top, "linnet"), source) : layout_read_lightning(c, top, base, source));
    TRY(ranges_check(c));
done:
    return rc;
}

int layout_read_progress(ckpt *c, const value *top, tensor_source *source) {
    int rc = layout_check_top(top);
    return rc == OK ? read_progress(c, top, 0, source) : rc;
}

int layout_read(ckpt *c, const value *top, tensor_source *source) {
    layout_groups groups = {0};
    int rc = OK;
    TRY(layout_check_top(top));
    TRY(read_state(c, top, source));
    TRY(layout_translate_names(c));
    TRY(layout_find_prefix(c));
    if (is_training(top))
        TRY(layout_read_groups(&groups, c, top));
    TRY(read_progress(c, top, groups.base, source));
    if (!is_training(top))
        goto done;
    TRY(read_ema(c, top, source));
    TRY(layout_read_optimizer(c, top, &groups, source));
    TRY(read_scaler(c, dict_get(top, "MixedPrecision")));
    TRY(layout_read_items(&c->hyper, &c->hyper_n, dict_get(top, "hyper_parameters"), source));
done:
    layout_groups_deinit(&groups);
    return rc;
}
