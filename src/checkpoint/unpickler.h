/** The unpickler's machine, shared by unpickle.c (values, containers, memo) and unpickle_object.c (globals and
 * objects). Private to those two. */
#ifndef LINNET_CHECKPOINT_UNPICKLER_H
#define LINNET_CHECKPOINT_UNPICKLER_H

#include "checkpoint/value.h"

/* Limits far above any real checkpoint (ResNet-152 has about 10,000 values) that still bound memory and time. */
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
    size_t *marks; /* stack heights at the marks */
    size_t mark_n, mark_capacity;
    value **memo;
    size_t memo_n, memo_capacity; /* memo_n: entries that are set */
    size_t value_n;
    bool stopped;
} unpickler;

/** One opcode; `code` selects among those that share a function. */
typedef int opcode(unpickler *u, unsigned char code);

int unpickler_push(unpickler *u, value *v);
/** Creates a value and pushes it. */
int unpickler_push_new(unpickler *u, value **out, value_kind kind);
/** Counts a value that is created elsewhere. */
int unpickler_count(unpickler *u);
int unpickler_pop(unpickler *u, value **out);
int unpickler_top(unpickler *u, value **out);
/** Pops the newest mark and the items above it. *items is valid until the next push. */
int unpickler_pop_mark(unpickler *u, value ***items, size_t *n);
/** The next n bytes of the pickle. */
int unpickler_take(unpickler *u, const unsigned char **out, size_t n);
/** The next n <= 8 bytes as a little-endian number. */
int unpickler_take_number(unpickler *u, uint64_t *out, size_t n);
/** The bytes up to a newline, without it. */
int unpickler_take_line(unpickler *u, const char **out, size_t *n);

/* unpickle_container.c */
opcode op_empty, op_set, op_frozenset, op_tuple, op_append;

/* unpickle_object.c */
opcode op_global, op_stack_global, op_extension, op_call, op_call_with_names, op_instance, op_build, op_persistent,
    op_persistent_line;

#endif
