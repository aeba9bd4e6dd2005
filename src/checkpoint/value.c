/* The values of a pickle, and the pool that owns them. */

#include "checkpoint/value.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64 << 10)

struct pool_block {
    pool_block *next;
    size_t bytes;
    _Alignas(16) unsigned char data[];
};

void *pool_take(pool *p, size_t n) {
    if (n > SIZE_MAX / 2) {
        fail(E_NOMEM, "cannot allocate %zu bytes", n);
        return NULL;
    }
    n = (n + 15) & ~(size_t)15;
    if (n > p->left) {
        size_t bytes = n > BLOCK_BYTES ? n : BLOCK_BYTES;
        pool_block *block = NULL;
        if (memory_zeroed(&block, sizeof *block + bytes, 1) != OK)
            return NULL;
        block->next = p->blocks;
        block->bytes = bytes;
        p->blocks = block;
        p->left = bytes;
    }
    void *out = p->blocks->data + (p->blocks->bytes - p->left);
    p->left -= n;
    return out;
}

void pool_deinit(pool *p) {
    while (p->blocks != NULL) {
        pool_block *next = p->blocks->next;
        free(p->blocks);
        p->blocks = next;
    }
    *p = (pool){0};
}

size_t dict_n(const value *dict) { return dict != NULL && dict->kind == VALUE_DICT ? dict->list.n / 2 : 0; }

bool value_is_string(const value *v, const char *text) {
    return v != NULL && v->kind == VALUE_STRING && v->string.n == strlen(text) &&
           memcmp(v->string.s, text, v->string.n) == 0;
}

const value *dict_get(const value *dict, const char *key) {
    for (size_t i = dict_n(dict); i-- > 0;)
        if (value_is_string(dict->list.items[2 * i], key))
            return dict->list.items[2 * i + 1];
    return NULL;
}

bool value_int(int64_t *out, const value *v) {
    if (v == NULL || v->kind != VALUE_INT)
        return false;
    *out = v->i;
    return true;
}

bool value_double(double *out, const value *v) {
    if (v == NULL || (v->kind != VALUE_INT && v->kind != VALUE_FLOAT))
        return false;
    *out = v->kind == VALUE_INT ? (double)v->i : v->d;
    return true;
}

const value *list_get(const value *list, size_t i) {
    return list != NULL && list->kind == VALUE_LIST && i < list->list.n ? list->list.items[i] : NULL;
}

void dict_double(double *out, const value *dict, const char *key) { value_double(out, dict_get(dict, key)); }

bool value_is_true(const value *v) { return v != NULL && v->kind == VALUE_BOOL && v->b; }

const char *name_shown(char out[NAME_SHOWN], const char *bytes, size_t n) {
    size_t kept = n <= 80 ? n : 80, at = 0;
    for (; at < kept; at++)
        out[at] = bytes[at] >= 0x20 && bytes[at] < 0x7F ? bytes[at] : '?';
    memcpy(out + at, n > kept ? "..." : "", n > kept ? 4 : 1);
    return out;
}

void value_set_opaque(value *v, const char *what) {
    v->kind = VALUE_OPAQUE;
    v->opaque.module = "";
    v->opaque.module_n = 0;
    v->opaque.name = what;
    v->opaque.name_n = (uint32_t)strlen(what);
}

const char *opaque_shown(char out[2 * NAME_SHOWN], const value *v) {
    char module[NAME_SHOWN], name[NAME_SHOWN];
    name_shown(module, v->opaque.module, v->opaque.module_n);
    snprintf(out, 2 * NAME_SHOWN, "%s%s%s", module, module[0] != 0 ? "." : "",
             name_shown(name, v->opaque.name, v->opaque.name_n));
    return out;
}

static bool same_name(const value *a, const value *b) {
    return a->opaque.module_n == b->opaque.module_n && a->opaque.name_n == b->opaque.name_n &&
           memcmp(a->opaque.module, b->opaque.module, a->opaque.module_n) == 0 &&
           memcmp(a->opaque.name, b->opaque.name, a->opaque.name_n) == 0;
}

void pool_skip(pool *p, const value *v) {
    for (size_t i = 0; i < p->skipped_n && i < POOL_SKIPPED; i++)
        if (same_name(p->skipped[i], v))
            return;
    if (p->skipped_n < POOL_SKIPPED)
        p->skipped[p->skipped_n] = v;
    p->skipped_n++;
}
