#include "checkpoint/unpickle.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

/* Bounds far above any real checkpoint (ResNet-152 has some 10,000 values), far below what hurts. */
#define VALUE_LIMIT ((size_t)2 << 20)
#define STACK_LIMIT ((size_t)1 << 20)
#define MEMO_LIMIT ((size_t)2 << 20)
#define MARK_LIMIT ((size_t)1 << 16)

typedef struct unpickler {
    pool *pool;
    const unsigned char *bytes;
    size_t n, at;
    value **stack;
    size_t stack_n, stack_capacity;
    size_t *marks; /* heights of the stack */
    size_t mark_n, mark_capacity;
    value **memo;
    size_t memo_capacity;
    size_t value_n;
    bool stopped;
} unpickler;

typedef int opcode(unpickler *u, unsigned char code);

static int grow(void *array, size_t *capacity, size_t need, size_t limit, size_t size, const char *what) {
    if (need <= *capacity)
        return OK;
    if (need > limit)
        return fail(E_FORMAT, "more than %zu %s", limit, what);
    size_t wanted = *capacity * 2 > need ? *capacity * 2 : need + 64;
    int rc = memory_resize(array, wanted, size);
    if (rc == OK)
        *capacity = wanted;
    return rc;
}

static int push(unpickler *u, value *v) {
    int rc = grow(&u->stack, &u->stack_capacity, u->stack_n + 1, STACK_LIMIT, sizeof *u->stack, "values on the stack");
    if (rc == OK)
        u->stack[u->stack_n++] = v;
    return rc;
}

static int push_new(unpickler *u, value **out, value_kind kind) {
    if (u->value_n++ >= VALUE_LIMIT)
        return fail(E_FORMAT, "more than %zu values", VALUE_LIMIT);
    value *v = pool_take(u->pool, sizeof *v);
    if (v == NULL)
        return E_NOMEM;
    v->kind = kind;
    *out = v;
    return push(u, v);
}

/** The lowest place of the stack that may be popped: the mark. */
static size_t bottom(const unpickler *u) { return u->mark_n > 0 ? u->marks[u->mark_n - 1] : 0; }

static int pop(unpickler *u, value **out) {
    if (u->stack_n <= bottom(u))
        return fail(E_FORMAT, "the stack is empty");
    *out = u->stack[--u->stack_n];
    return OK;
}

static int top(unpickler *u, value **out) {
    if (u->stack_n <= bottom(u))
        return fail(E_FORMAT, "the stack is empty");
    *out = u->stack[u->stack_n - 1];
    return OK;
}

/** Sets *items to what lies above the newest mark (valid until the next push), and takes both off. */
static int pop_mark(unpickler *u, value ***items, size_t *n) {
    if (u->mark_n == 0)
        return fail(E_FORMAT, "no mark on the stack");
    size_t mark = u->marks[--u->mark_n];
    *items = u->stack + mark;
    *n = u->stack_n - mark;
    u->stack_n = mark;
    return OK;
}

static int take(unpickler *u, const unsigned char **out, size_t n) {
    if (n > u->n - u->at)
        return fail(E_FORMAT, "a value claims %zu bytes, but only %zu are left", n, u->n - u->at);
    *out = u->bytes + u->at;
    u->at += n;
    return OK;
}

static int take_number(unpickler *u, uint64_t *out, size_t n) {
    const unsigned char *p = NULL;
    int rc = take(u, &p, n);
    *out = 0;
    for (size_t i = 0; rc == OK && i < n; i++)
        *out |= (uint64_t)p[i] << 8 * i;
    return rc;
}

static int take_line(unpickler *u, const char **out, size_t *n) {
    const unsigned char *from = u->bytes + u->at, *end = memchr(from, '\n', u->n - u->at);
    if (end == NULL)
        return fail(E_FORMAT, "a name has no end");
    *out = (const char *)from;
    *n = (size_t)(end - from);
    u->at += *n + 1;
    return OK;
}

static int op_proto(unpickler *u, unsigned char code) {
    (void)code;
    uint64_t version = 0;
    int rc = take_number(u, &version, 1);
    if (rc == OK && (version < 2 || version > 5))
        rc = fail(E_FORMAT, "pickle protocol %d is not supported; torch.save writes protocol 2", (int)version);
    return rc;
}

static int op_stop(unpickler *u, unsigned char code) {
    (void)code;
    u->stopped = true;
    return OK;
}

static int op_mark(unpickler *u, unsigned char code) {
    (void)code;
    int rc = grow(&u->marks, &u->mark_capacity, u->mark_n + 1, MARK_LIMIT, sizeof *u->marks, "nested containers");
    if (rc == OK)
        u->marks[u->mark_n++] = u->stack_n;
    return rc;
}

static int op_constant(unpickler *u, unsigned char code) {
    value *v = NULL;
    int rc = push_new(u, &v, code == 'N' ? VALUE_NONE : VALUE_BOOL);
    if (rc == OK && code != 'N')
        v->b = code == 0x88;
    return rc;
}

static int op_int(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL;
    uint64_t bits = 0;
    TRY(take_number(u, &bits, code == 'J' ? 4 : code == 'M' ? 2 : 1));
    TRY(push_new(u, &v, VALUE_INT));
    v->i = code == 'J' ? (int32_t)(uint32_t)bits : (int64_t)bits;
done:
    return rc;
}

/** LONG1: two's complement of any length. */
static int op_long(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *v = NULL;
    uint64_t n = 0, bits = 0;
    const unsigned char *p = NULL;
    TRY(take_number(u, &n, 1));
    TRY(take(u, &p, (size_t)n));
    TRY(push_new(u, &v, n <= 8 ? VALUE_INT : VALUE_OPAQUE));
    for (size_t i = 0; i < n && n <= 8; i++)
        bits |= (uint64_t)p[i] << 8 * i;
    if (n > 0 && n < 8 && p[n - 1] & 0x80)
        bits |= ~(uint64_t)0 << 8 * n;
    if (n <= 8)
        memcpy(&v->i, &bits, sizeof bits);
done:
    return rc;
}

static int op_float(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *v = NULL;
    uint64_t big = 0;
    TRY(take_number(u, &big, 8));
    big = __builtin_bswap64(big); /* the one big-endian field of a pickle */
    TRY(push_new(u, &v, VALUE_FLOAT));
    memcpy(&v->d, &big, sizeof big);
done:
    return rc;
}

static int op_string(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL;
    uint64_t n = 0;
    const unsigned char *p = NULL;
    TRY(take_number(u, &n, code == 'X' ? 4 : 1));
    TRY(take(u, &p, (size_t)n));
    TRY(push_new(u, &v, VALUE_STRING));
    v->string.s = (const char *)p;
    v->string.n = (size_t)n;
done:
    return rc;
}

static int op_empty(unpickler *u, unsigned char code) {
    value *v = NULL;
    return push_new(u, &v, code == ']' ? VALUE_LIST : code == '}' ? VALUE_DICT : VALUE_TUPLE);
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

static int op_tuple(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL, *last[3] = {NULL}, **items = last;
    size_t n = code == 't' ? 0 : (size_t)code - 0x84;
    if (code == 't')
        TRY(pop_mark(u, &items, &n));
    else
        for (size_t i = n; i-- > 0;)
            TRY(pop(u, &last[i]));
    value tuple = {.kind = VALUE_TUPLE};
    TRY(append(u, &tuple, items, n)); /* before the push, which overwrites the popped items */
    TRY(push_new(u, &v, VALUE_TUPLE));
    *v = tuple;
done:
    return rc;
}

/** APPEND, APPENDS, SETITEM, SETITEMS. */
static int op_append(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL, *last[2] = {NULL}, **items = last;
    bool dict = code == 's' || code == 'u';
    size_t n = dict ? 2 : 1;
    if (code == 'e' || code == 'u')
        TRY(pop_mark(u, &items, &n));
    else
        for (size_t i = n; i-- > 0;)
            TRY(pop(u, &last[i]));
    TRY(top(u, &v));
    if (v->kind != (dict ? VALUE_DICT : VALUE_LIST) || (dict && n % 2 != 0)) {
        rc = fail(E_FORMAT, "items are added to a value that is not a %s", dict ? "dict" : "list");
        goto done;
    }
    TRY(append(u, v, items, n));
done:
    return rc;
}

static int op_memo_put(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL;
    uint64_t index = 0;
    TRY(take_number(u, &index, code == 'r' ? 4 : 1));
    TRY(top(u, &v));
    size_t old = u->memo_capacity;
    TRY(grow(&u->memo, &u->memo_capacity, (size_t)index + 1, MEMO_LIMIT, sizeof *u->memo, "memo entries"));
    for (size_t i = old; i < u->memo_capacity; i++)
        u->memo[i] = NULL;
    u->memo[index] = v;
done:
    return rc;
}

static int op_memo_get(unpickler *u, unsigned char code) {
    uint64_t index = 0;
    int rc = take_number(u, &index, code == 'j' ? 4 : 1);
    if (rc != OK)
        return rc;
    if (index >= u->memo_capacity || u->memo[index] == NULL)
        return fail(E_FORMAT, "memo entry %llu was never set", (unsigned long long)index);
    return push(u, u->memo[index]);
}

static int op_global(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *v = NULL;
    const char *module = NULL, *name = NULL;
    size_t module_n = 0, name_n = 0;
    TRY(take_line(u, &module, &module_n));
    TRY(take_line(u, &name, &name_n));
    TRY(push_new(u, &v, VALUE_GLOBAL));
    TRY(rebuild_global(v, module, module_n, name, name_n));
done:
    return rc;
}

/** REDUCE and NEWOBJ: the same for all that is allowed. */
static int op_call(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *arguments = NULL, *callable = NULL, *result = NULL;
    TRY(pop(u, &arguments));
    TRY(pop(u, &callable));
    if (callable->kind != VALUE_GLOBAL || arguments->kind != VALUE_TUPLE) {
        rc = fail(E_FORMAT, "the pickle calls a value that is not a function");
        goto done;
    }
    if (u->value_n++ >= VALUE_LIMIT) {
        rc = fail(E_FORMAT, "more than %zu values", VALUE_LIMIT);
        goto done;
    }
    TRY(rebuild_call(&result, u->pool, callable, arguments));
    TRY(push(u, result));
done:
    return rc;
}

/** BUILD: attributes of an OrderedDict (a state_dict's _metadata), which nothing here needs. */
static int op_build(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *state = NULL, *object = NULL;
    TRY(pop(u, &state));
    TRY(top(u, &object));
    if (object->kind != VALUE_DICT || state->kind != VALUE_DICT)
        rc = fail(E_FORMAT, "attributes are set on a value that is not an OrderedDict");
done:
    return rc;
}

static int op_persistent(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *id = NULL, *v = NULL;
    TRY(pop(u, &id));
    TRY(push_new(u, &v, VALUE_STORAGE));
    TRY(rebuild_storage(v, u->pool, id));
done:
    return rc;
}

static opcode *const opcodes[256] = {
    [0x80] = op_proto,    ['.'] = op_stop,     ['('] = op_mark,     ['N'] = op_constant,   [0x88] = op_constant,
    [0x89] = op_constant, ['J'] = op_int,      ['K'] = op_int,      ['M'] = op_int,        [0x8a] = op_long,
    ['G'] = op_float,     ['X'] = op_string,   ['U'] = op_string,   [']'] = op_empty,      ['}'] = op_empty,
    [')'] = op_empty,     [0x8f] = op_empty,   ['t'] = op_tuple,    [0x85] = op_tuple,     [0x86] = op_tuple,
    [0x87] = op_tuple,    ['a'] = op_append,   ['e'] = op_append,   ['s'] = op_append,     ['u'] = op_append,
    ['q'] = op_memo_put,  ['r'] = op_memo_put, ['h'] = op_memo_get, ['j'] = op_memo_get,   ['c'] = op_global,
    ['R'] = op_call,      [0x81] = op_call,    ['b'] = op_build,    ['Q'] = op_persistent,
};

static const char *const refused_names[256] = {
    ['0'] = "POP",
    ['2'] = "DUP",
    ['i'] = "INST",
    ['o'] = "OBJ",
    ['I'] = "INT",
    ['L'] = "LONG",
    ['S'] = "STRING",
    ['T'] = "BINSTRING",
    ['V'] = "UNICODE",
    ['P'] = "PERSID",
    ['d'] = "DICT",
    ['l'] = "LIST",
    ['F'] = "FLOAT",
    ['g'] = "GET",
    ['p'] = "PUT",
    ['B'] = "BINBYTES",
    ['C'] = "SHORT_BINBYTES",
    [0x82] = "EXT1",
    [0x83] = "EXT2",
    [0x84] = "EXT4",
    [0x8b] = "LONG4",
    [0x8c] = "SHORT_BINUNICODE",
    [0x8d] = "BINUNICODE8",
    [0x92] = "NEWOBJ_EX",
    [0x93] = "STACK_GLOBAL",
    [0x94] = "MEMOIZE",
    [0x95] = "FRAME",
};

static int step(unpickler *u) {
    const unsigned char *code = NULL;
    int rc = take(u, &code, 1);
    if (rc != OK)
        return rc;
    if (opcodes[*code] == NULL)
        return fail(E_FORMAT, "opcode %s (0x%02x) is not allowed in a checkpoint",
                    refused_names[*code] != NULL ? refused_names[*code] : "unknown", *code);
    return opcodes[*code](u, *code);
}

int unpickle(value **out, size_t *used, pool *p, const unsigned char *bytes, size_t n) {
    int rc = OK;
    unpickler u = {.pool = p, .bytes = bytes, .n = n};
    size_t begin = 0;
    TRY(grow(&u.stack, &u.stack_capacity, 1, STACK_LIMIT, sizeof *u.stack, "values on the stack"));
    while (!u.stopped) {
        begin = u.at;
        TRY(step(&u));
    }
    TRY(pop(&u, out));
    if (u.stack_n > 0 || u.mark_n > 0)
        rc = fail(E_FORMAT, "values are left on the stack at its end");
    *used = u.at;
done:
    if (rc != OK)
        fail_context(rc, "pickle, byte %zu", begin);
    free(u.stack);
    free(u.marks);
    free(u.memo);
    return rc;
}
