/* The opcodes for tuples, lists, dicts and sets. */

#include "base/status.h"
#include "checkpoint/unpickler.h"

#include <string.h>

int op_empty(unpickler *u, unsigned char code) {
    value *v = NULL;
    return unpickler_push_new(u, &v, code == ']' ? VALUE_LIST : code == '}' ? VALUE_DICT : VALUE_TUPLE);
}

/** EMPTY_SET: sets are not used, so their items are not kept. */
int op_set(unpickler *u, unsigned char code) {
    (void)code;
    value *v = NULL;
    int rc = unpickler_push_new(u, &v, VALUE_OPAQUE);
    if (rc == OK)
        value_set_opaque(v, "set");
    return rc;
}

int op_frozenset(unpickler *u, unsigned char code) {
    value **items = NULL;
    size_t n = 0;
    int rc = unpickler_pop_mark(u, &items, &n);
    return rc == OK ? op_set(u, code) : rc;
}

static int append(unpickler *u, value *v, value *const *items, size_t n) {
    if (n > v->list.capacity - v->list.n) {
        size_t wanted = v->list.n * 2 > v->list.n + n ? v->list.n * 2 : v->list.n + n;
        value **grown = pool_take(u->pool, wanted * sizeof *grown);
        if (grown == NULL)
            return E_NOMEM;
        if (v->list.n > 0)
            memcpy(grown, v->list.items, v->list.n * sizeof *grown);
        v->list.items = grown;
        v->list.capacity = wanted;
    }
    if (n > 0)
        memcpy(v->list.items + v->list.n, items, n * sizeof *items);
    v->list.n += n;
    return OK;
}

int op_tuple(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL, *last[3] = {NULL}, **items = last;
    size_t n = code == 't' ? 0 : (size_t)code - 0x84;
    if (code == 't')
        TRY(unpickler_pop_mark(u, &items, &n));
    else
        for (size_t i = n; i-- > 0;)
            TRY(unpickler_pop(u, &last[i]));
    value tuple = {.kind = VALUE_TUPLE};
    TRY(append(u, &tuple, items, n)); /* before the push, which overwrites the popped items */
    TRY(unpickler_push_new(u, &v, VALUE_TUPLE));
    *v = tuple;
done:
    return rc;
}

/** APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS. The items of an opaque object are not kept. */
int op_append(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL, *last[2] = {NULL}, **items = last;
    bool dict = code == 's' || code == 'u';
    size_t n = dict ? 2 : 1;
    if (code == 'a' || code == 's')
        for (size_t i = n; i-- > 0;)
            TRY(unpickler_pop(u, &last[i]));
    else
        TRY(unpickler_pop_mark(u, &items, &n));
    TRY(unpickler_top(u, &v));
    if (v->kind == VALUE_OPAQUE)
        goto done;
    if (v->kind != (dict ? VALUE_DICT : VALUE_LIST) || code == 0x90 || (dict && n % 2 != 0)) {
        rc = fail(E_FORMAT, "items are added to a value that is not a %s",
                  dict           ? "dict"
                  : code == 0x90 ? "set"
                                 : "list");
        goto done;
    }
    TRY(append(u, v, items, n));
done:
    return rc;
}
