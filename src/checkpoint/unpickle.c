#include "checkpoint/unpickle.h"

#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/unpickler.h"

#include <stdlib.h>
#include <string.h>

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

int unpickler_push(unpickler *u, value *v) {
    int rc = grow(&u->stack, &u->stack_capacity, u->stack_n + 1, STACK_LIMIT, sizeof *u->stack, "values on the stack");
    if (rc == OK)
        u->stack[u->stack_n++] = v;
    return rc;
}

int unpickler_count(unpickler *u) {
    return u->value_n++ < VALUE_LIMIT ? OK : fail(E_FORMAT, "more than %zu values", VALUE_LIMIT);
}

int unpickler_push_new(unpickler *u, value **out, value_kind kind) {
    int rc = unpickler_count(u);
    if (rc != OK)
        return rc;
    value *v = pool_take(u->pool, sizeof *v);
    if (v == NULL)
        return E_NOMEM;
    v->kind = kind;
    *out = v;
    return unpickler_push(u, v);
}

/** The lowest stack index that may be popped: the newest mark. */
static size_t bottom(const unpickler *u) { return u->mark_n > 0 ? u->marks[u->mark_n - 1] : 0; }

int unpickler_pop(unpickler *u, value **out) {
    if (u->stack_n <= bottom(u))
        return fail(E_FORMAT, "the stack is empty");
    *out = u->stack[--u->stack_n];
    return OK;
}

int unpickler_top(unpickler *u, value **out) {
    if (u->stack_n <= bottom(u))
        return fail(E_FORMAT, "the stack is empty");
    *out = u->stack[u->stack_n - 1];
    return OK;
}

int unpickler_pop_mark(unpickler *u, value ***items, size_t *n) {
    if (u->mark_n == 0)
        return fail(E_FORMAT, "no mark on the stack");
    size_t mark = u->marks[--u->mark_n];
    *items = u->stack + mark;
    *n = u->stack_n - mark;
    u->stack_n = mark;
    return OK;
}

int unpickler_take(unpickler *u, const unsigned char **out, size_t n) {
    if (n > u->n - u->at)
        return fail(E_FORMAT, "a value needs %zu bytes, but only %zu bytes are left", n, u->n - u->at);
    *out = u->bytes + u->at;
    u->at += n;
    return OK;
}

int unpickler_take_number(unpickler *u, uint64_t *out, size_t n) {
    const unsigned char *p = NULL;
    int rc = unpickler_take(u, &p, n);
    *out = 0;
    for (size_t i = 0; rc == OK && i < n; i++)
        *out |= (uint64_t)p[i] << 8 * i;
    return rc;
}

int unpickler_take_line(unpickler *u, const char **out, size_t *n) {
    const unsigned char *from = u->bytes + u->at, *end = memchr(from, '\n', u->n - u->at);
    if (end == NULL)
        return fail(E_FORMAT, "a string is not terminated by a newline");
    *out = (const char *)from;
    *n = (size_t)(end - from);
    u->at += *n + 1;
    return OK;
}

static int op_proto(unpickler *u, unsigned char code) {
    (void)code;
    uint64_t version = 0;
    int rc = unpickler_take_number(u, &version, 1);
    if (rc == OK && (version < 2 || version > 5))
        rc = fail(E_FORMAT, "pickle protocol %d is not supported: protocols 2 to 5 are", (int)version);
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
    int rc = unpickler_push_new(u, &v, code == 'N' ? VALUE_NONE : VALUE_BOOL);
    if (rc == OK && code != 'N')
        v->b = code == 0x88;
    return rc;
}

static int op_int(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL;
    uint64_t bits = 0;
    TRY(unpickler_take_number(u, &bits, code == 'J' ? 4 : code == 'M' ? 2 : 1));
    TRY(unpickler_push_new(u, &v, VALUE_INT));
    v->i = code == 'J' ? (int32_t)(uint32_t)bits : (int64_t)bits;
done:
    return rc;
}

/** LONG1, LONG4: an integer of any length in two's complement. */
static int op_long(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL;
    uint64_t n = 0, bits = 0;
    const unsigned char *p = NULL;
    TRY(unpickler_take_number(u, &n, code == 0x8a ? 1 : 4));
    TRY(unpickler_take(u, &p, (size_t)n));
    TRY(unpickler_push_new(u, &v, VALUE_INT));
    if (n > 8)
        value_set_opaque(v, "integer of more than 64 bits");
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
    TRY(unpickler_take_number(u, &big, 8));
    big = __builtin_bswap64(big); /* the only big-endian field of a pickle */
    TRY(unpickler_push_new(u, &v, VALUE_FLOAT));
    memcpy(&v->d, &big, sizeof big);
done:
    return rc;
}

/** The number of bytes of the length that follows an opcode for a string or bytes. */
static size_t length_bytes(unsigned char code) {
    switch (code) {
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING */
    case 'B': /* BINBYTES */ return 4;
    case 0x8d: /* BINUNICODE8 */
    case 0x8e: /* BINBYTES8 */
    case 0x96: /* BYTEARRAY8 */ return 8;
    default: return 1; /* SHORT_BINUNICODE, SHORT_BINSTRING, SHORT_BINBYTES */
    }
}

static int op_string(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL;
    uint64_t n = 0;
    const unsigned char *p = NULL;
    TRY(unpickler_take_number(u, &n, length_bytes(code)));
    TRY(unpickler_take(u, &p, (size_t)n));
    TRY(unpickler_push_new(u, &v, VALUE_STRING));
    v->string.s = (const char *)p;
    v->string.n = (size_t)n;
done:
    return rc;
}

static int op_bytes(unpickler *u, unsigned char code) {
    int rc = op_string(u, code);
    if (rc == OK)
        value_set_opaque(u->stack[u->stack_n - 1], "bytes");
    return rc;
}

/** NEXT_BUFFER: bytes that the writer passed on outside the pickle. */
static int op_buffer(unpickler *u, unsigned char code) {
    (void)code;
    value *v = NULL;
    int rc = unpickler_push_new(u, &v, VALUE_OPAQUE);
    if (rc == OK)
        value_set_opaque(v, "buffer outside the pickle");
    return rc;
}

/** READONLY_BUFFER, which makes the value at the top of the stack read-only. */
static int op_read_only(unpickler *u, unsigned char code) {
    (void)code;
    value *v = NULL;
    return unpickler_top(u, &v);
}

/** FRAME: a hint for reading ahead. */
static int op_frame(unpickler *u, unsigned char code) {
    (void)code;
    uint64_t n = 0;
    int rc = unpickler_take_number(u, &n, 8);
    if (rc == OK && n > u->n - u->at)
        rc = fail(E_FORMAT, "a frame needs %llu bytes, but only %zu bytes are left", (unsigned long long)n,
                  u->n - u->at);
    return rc;
}

static int op_pop(unpickler *u, unsigned char code) {
    (void)code;
    value *v = NULL;
    if (u->mark_n > 0 && u->stack_n == bottom(u)) { /* as Python: a mark is on the stack too */
        u->mark_n--;
        return OK;
    }
    return unpickler_pop(u, &v);
}

static int op_pop_mark(unpickler *u, unsigned char code) {
    (void)code;
    value **items = NULL;
    size_t n = 0;
    return unpickler_pop_mark(u, &items, &n);
}

static int op_dup(unpickler *u, unsigned char code) {
    (void)code;
    value *v = NULL;
    int rc = unpickler_top(u, &v);
    return rc == OK ? unpickler_push(u, v) : rc;
}

/** BINPUT, LONG_BINPUT, and MEMOIZE, which uses the number of entries as the index. */
static int op_memo_put(unpickler *u, unsigned char code) {
    int rc = OK;
    value *v = NULL;
    uint64_t index = u->memo_n;
    if (code != 0x94)
        TRY(unpickler_take_number(u, &index, code == 'r' ? 4 : 1));
    TRY(unpickler_top(u, &v));
    size_t old = u->memo_capacity;
    TRY(grow(&u->memo, &u->memo_capacity, (size_t)index + 1, MEMO_LIMIT, sizeof *u->memo, "memo entries"));
    for (size_t i = old; i < u->memo_capacity; i++)
        u->memo[i] = NULL;
    u->memo_n += u->memo[index] == NULL;
    u->memo[index] = v;
done:
    return rc;
}

static int op_memo_get(unpickler *u, unsigned char code) {
    uint64_t index = 0;
    int rc = unpickler_take_number(u, &index, code == 'j' ? 4 : 1);
    if (rc != OK)
        return rc;
    if (index >= u->memo_capacity || u->memo[index] == NULL)
        return fail(E_FORMAT, "memo entry %llu was never set", (unsigned long long)index);
    return unpickler_push(u, u->memo[index]);
}

/* Protocols 2 to 5, and what CPython writes in them of protocols 0 and 1. */
static opcode *const opcodes[256] = {
    [0x80] = op_proto,
    ['.'] = op_stop,
    ['('] = op_mark,
    ['0'] = op_pop,
    ['1'] = op_pop_mark,
    ['2'] = op_dup,
    ['N'] = op_constant,
    [0x88] = op_constant,
    [0x89] = op_constant,
    ['J'] = op_int,
    ['K'] = op_int,
    ['M'] = op_int,
    [0x8a] = op_long,
    [0x8b] = op_long,
    ['G'] = op_float,
    ['X'] = op_string,
    [0x8c] = op_string,
    [0x8d] = op_string,
    ['U'] = op_string,
    ['T'] = op_string,
    ['B'] = op_bytes,
    ['C'] = op_bytes,
    [0x8e] = op_bytes,
    [0x96] = op_bytes,
    [']'] = op_empty,
    ['}'] = op_empty,
    [')'] = op_empty,
    [0x8f] = op_set,
    [0x91] = op_frozenset,
    ['t'] = op_tuple,
    [0x85] = op_tuple,
    [0x86] = op_tuple,
    [0x87] = op_tuple,
    ['a'] = op_append,
    ['e'] = op_append,
    ['s'] = op_append,
    ['u'] = op_append,
    [0x90] = op_append,
    ['q'] = op_memo_put,
    ['r'] = op_memo_put,
    [0x94] = op_memo_put,
    ['h'] = op_memo_get,
    ['j'] = op_memo_get,
    ['c'] = op_global,
    [0x93] = op_stack_global,
    [0x82] = op_extension,
    [0x83] = op_extension,
    [0x84] = op_extension,
    ['R'] = op_call,
    [0x81] = op_call,
    [0x92] = op_call_with_names,
    ['i'] = op_instance,
    ['o'] = op_instance,
    ['b'] = op_build,
    ['Q'] = op_persistent,
    ['P'] = op_persistent_line,
    [0x95] = op_frame,
    [0x97] = op_buffer,
    [0x98] = op_read_only,
};

static int step(unpickler *u) {
    const unsigned char *code = NULL;
    int rc = unpickler_take(u, &code, 1);
    if (rc != OK)
        return rc;
    if (opcodes[*code] == NULL)
        return fail(E_FORMAT, "opcode 0x%02x is unknown, or of protocol 0 or 1", *code);
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
    TRY(unpickler_pop(&u, out));
    if (u.stack_n > 0 || u.mark_n > 0)
        rc = fail(E_FORMAT, "values are left on the stack at the end of the pickle");
    *used = u.at;
done:
    if (rc != OK)
        fail_context(rc, "pickle, byte %zu", begin);
    free(u.stack);
    free(u.marks);
    free(u.memo);
    return rc;
}
