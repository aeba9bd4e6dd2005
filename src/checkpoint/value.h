/** What a pickle holds, as a tree (a graph when the file shares or loops) owned by one pool. */
#ifndef LINNET_CHECKPOINT_VALUE_H
#define LINNET_CHECKPOINT_VALUE_H

#include "checkpoint/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Memory that is freed at once, so that cycles and shared values need no care. */
typedef struct pool_block pool_block;
typedef struct pool {
    pool_block *blocks;
    size_t left;                    /* bytes free at the end of the newest block */
    struct value_storage *storages; /* all that were named, newest first */
    size_t storage_n;
} pool;

/** `n` zeroed bytes, aligned to 16; NULL with a message when memory is out. */
void *pool_take(pool *p, size_t n);
void pool_deinit(pool *p);

typedef enum value_kind {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_TUPLE,
    VALUE_DICT, /* also OrderedDict */
    VALUE_GLOBAL,
    VALUE_STORAGE,
    VALUE_TENSOR,
    VALUE_OPAQUE /* allowed, but of no use here: a device, an integer above 64 bits */
} value_kind;

typedef struct value value;

#define STORAGE_KEY_BYTES 64 /* at most; torch.save writes decimal numbers */

typedef struct value_storage {
    ckpt_type type;
    const char *key; /* names the zip entry data/KEY; key_n bytes in the pickle */
    size_t key_n;
    uint64_t numel; /* as claimed; not yet checked against the file */
    struct value_storage *next;
} value_storage;

typedef struct value_tensor {
    const value_storage *storage;
    uint64_t offset; /* elements */
    int rank;
    int64_t shape[8], stride[8]; /* stride in elements; every element lies inside the claimed storage */
    uint64_t numel;
} value_tensor;

struct value {
    value_kind kind;
    union {
        bool b;
        int64_t i;
        double d;
        int global; /* see unpickle.c */
        struct {
            const char *s; /* in the pickle's bytes, not terminated */
            size_t n;
        } string;
        struct {
            value **items; /* a dict holds key, value, key, value, ... */
            size_t n, capacity;
        } list;
        value_storage *storage;
        value_tensor *tensor;
    };
};

/** Entries of a dict. */
size_t dict_n(const value *dict);
/** The value of a string key; NULL when `dict` is NULL, no dict, or lacks it. The last of equal keys counts. */
const value *dict_get(const value *dict, const char *key);
bool value_is_string(const value *v, const char *text);

/** Numbers; false and *out untouched for any other kind. An int is accepted as a double, a bool as neither. */
bool value_int(int64_t *out, const value *v);
bool value_double(double *out, const value *v);

#define NAME_SHOWN 88
/** A name from an untrusted file, fit for one line of a message: at most 80 bytes, what does not print is '?'. */
const char *name_shown(char out[NAME_SHOWN], const char *bytes, size_t n);

#endif
