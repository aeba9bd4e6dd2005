/* Finds the dictionary of tensors in a file: at the top, or under the keys of the programs that write checkpoints. */

#include "checkpoint/layout.h"

#include "base/status.h"

#include <stdio.h>
#include <string.h>

#define DEPTH 3                           /* dictionaries that may be around the one with the tensors */
#define LISTED 8                          /* parts in a list */
#define VISITED (4 * LAYOUT_TENSOR_LIMIT) /* entries that a search for parts looks at */

/* The first that exists counts. "state" is Composer's; an optimizer has a "state" too. */
static const char *const keys[] = {"state_dict", "model",          "state",    "model_state_dict",
                                   "net",        "state_dict_ema", "model_ema"};

static bool is_dict(const value *v) { return v != NULL && v->kind == VALUE_DICT; }

/** Whether `v` is a dictionary of tensors. The first entries decide: few scalars are before a state_dict's weights. */
static bool has_tensors(const value *v) {
    for (size_t i = 0; i < 4 && i < dict_n(v); i++) {
        const value *key = v->list.items[2 * i], *t = v->list.items[2 * i + 1];
        if (key->kind == VALUE_STRING && t->kind == VALUE_TENSOR && t->tensor->rank > 0)
            return true;
    }
    return false;
}

/** The dictionary under one of the keys of `outer`; NULL: none. *key: its key. */
static const value *inner(const value *outer, const char **key) {
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const value *v = dict_get(outer, keys[k]);
        if (!is_dict(v) || (strcmp(keys[k], "state") == 0 && !is_dict(dict_get(v, "model"))))
            continue;
        *key = keys[k];
        return v;
    }
    return NULL;
}

/** Follows a path of keys, such as "state.model". A key may contain points. NULL: there is no such entry. */
static const value *follow(const value *outer, const char *path) {
    char key[CKPT_NAME_BYTES];
    for (int depth = 0; depth < DEPTH && is_dict(outer); depth++) {
        const value *v = dict_get(outer, path);
        const char *dot = strchr(path, '.');
        if (v != NULL || dot == NULL)
            return v;
        snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
        outer = dict_get(outer, key);
        path = dot + 1;
    }
    return NULL;
}

/** Adds the dictionaries of tensors in `outer` to c->parts. `path`: the text before their keys. */
static void list_parts(ckpt *c, int *n, const value *outer, const char *path) {
    char shown[NAME_SHOWN];
    for (size_t i = 0; i < dict_n(outer) && i < VISITED && *n < LISTED; i++) {
        const value *key = outer->list.items[2 * i];
        size_t used = strlen(c->parts);
        if (key->kind != VALUE_STRING || !has_tensors(outer->list.items[2 * i + 1]))
            continue;
        snprintf(c->parts + used, sizeof c->parts - used, "%s%s%s", (*n)++ > 0 ? ", " : "", path,
                 name_shown(shown, key->string.s, key->string.n));
    }
}

static int not_a_dict(const char *key, const value *v) {
    char name[2 * NAME_SHOWN], shown[NAME_SHOWN];
    if (v->kind != VALUE_OPAQUE)
        return fail(E_FORMAT, "'%s' is not a dictionary", name_shown(shown, key, strlen(key)));
    return fail(E_FORMAT, "'%s' is of type %s, not a dictionary: save the model's state_dict()",
                name_shown(shown, key, strlen(key)), opaque_shown(name, v));
}

int layout_find_state(const value **out, ckpt *c, const value *top) {
    const value *v = NULL;
    const char *key = NULL;
    int listed = 0;
    list_parts(c, &listed, top, "");
    list_parts(c, &listed, dict_get(top, "state"), "state.");
    if (c->key[0] != 0 && (v = follow(top, c->key)) != NULL) {
        if (!is_dict(v))
            return not_a_dict(c->key, v);
        c->key_found = true;
        top = v;
    }
    for (int depth = 0; depth < DEPTH && (v = inner(top, &key)) != NULL; depth++)
        top = v;
    for (int k = 0; k < 2 && !has_tensors(top); k++) /* a pickled module */
        if ((v = dict_get(top, keys[k])) != NULL && v->kind == VALUE_OPAQUE)
            return not_a_dict(keys[k], v);
    *out = top;
    return OK;
}

int layout_check_top(const value *top) {
    char name[2 * NAME_SHOWN];
    if (top->kind == VALUE_OPAQUE)
        return fail(E_FORMAT, "the file contains a value of type %s, not a dictionary: save the model's state_dict()",
                    opaque_shown(name, top));
    return top->kind == VALUE_DICT ? OK : fail(E_FORMAT, "the pickle does not contain a dict");
}

void layout_list_skipped(ckpt *c, const pool *p) {
    char name[2 * NAME_SHOWN];
    size_t n = p->skipped_n < POOL_SKIPPED ? p->skipped_n : POOL_SKIPPED, at = 0;
    for (size_t i = 0; i < n && at < sizeof c->skipped; i++)
        at += (size_t)snprintf(c->skipped + at, sizeof c->skipped - at, "%s%s", i > 0 ? ", " : "",
                               opaque_shown(name, p->skipped[i]));
    if (p->skipped_n > n && at < sizeof c->skipped)
        snprintf(c->skipped + at, sizeof c->skipped - at, " and others");
}
