/** The values of a pickle, as a tree, or as a graph if the file shares values or has cycles. One pool owns them all. */
#ifndef LINNET_CHECKPOINT_VALUE_H
#define LINNET_CHECKPOINT_VALUE_H

#include "checkpoint/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Memory that is freed as a whole, so cycles and shared values need no special treatment. */
typedef struct pool_block pool_block;
#define POOL_SKIPPED 8
typedef struct pool {
    pool_block *blocks;
    size_t left;                    /* free bytes at the end of the newest block */
    struct value_storage *storages; /* all storages in the pickle, newest first */
    size_t storage_n;
    const struct value *skipped[POOL_SKIPPED]; /* values with the distinct names of the globals that linnet does not
                                                  know, in the order of the pickle */
    size_t skipped_n;                          /* may exceed POOL_SKIPPED: then the rest is not kept */
} pool;

/** Allocates `n` zeroed bytes, aligned to 16; NULL with a message if there is no memory. */
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
    VALUE_OPAQUE /* of a kind that linnet does not read: an object of any other class, bytes, a set, a device */
} value_kind;

typedef struct value value;

#define STORAGE_KEY_BYTES 64 /* at most; torch.save writes decimal numbers */

typedef struct value_storage {
    ckpt_type type;
    const char *key; /* the zip entry is data/KEY; key_n bytes in the pickle */
    size_t key_n;
    uint64_t numel; /* as claimed by the pickle, not yet checked against the file */
    struct value_storage *next;
} value_storage;

typedef struct value_tensor {
    const value_storage *storage;
    uint64_t offset; /* in elements */
    int rank;
    int64_t shape[8], stride[8]; /* stride in elements; every element is inside the claimed storage */
    uint64_t numel;
} value_tensor;

struct value {
    value_kind kind;
    union {
        bool b;
        int64_t i;
        double d;
        int global; /* see rebuild.c */
        struct {
            const char *s; /* in the pickle's bytes, not terminated */
            size_t n;
        } string;
        struct {
            value **items; /* of a dict: key, value, key, value, ... */
            size_t n, capacity;
        } list;
        value_storage *storage;
        value_tensor *tensor;
        struct {
            const char *module, *name; /* of the global that it comes from, in the pickle's bytes, not terminated */
            uint32_t module_n, name_n; /* at most OPAQUE_NAME; module_n 0: `name` describes the value */
        } opaque;
    };
};

/** Number of entries of a dict. */
size_t dict_n(const value *dict);
/** The value of a string key; NULL if `dict` is NULL, not a dict, or has no such key. The last of equal keys counts. */
const value *dict_get(const value *dict, const char *key);
/** Item i of a list; NULL if `list` is NULL, not a list, or shorter. */
const value *list_get(const value *list, size_t i);
/** Reads a number of a dict; without one *out is unchanged. */
void dict_double(double *out, const value *dict, const char *key);
bool value_is_true(const value *v);
bool value_is_string(const value *v, const char *text);

/** Read a number. value_double accepts an int too; a bool is not a number. @return false for any other kind, with *out
 *  unchanged */
bool value_int(int64_t *out, const value *v);
bool value_double(double *out, const value *v);

#define NAME_SHOWN 88
#define OPAQUE_NAME NAME_SHOWN /* bytes of a module or name that are kept; bounds the time to compare them */
/** A name from an untrusted file, made safe for a message: at most 80 bytes, with '?' for bytes that are not printable.
 */
const char *name_shown(char out[NAME_SHOWN], const char *bytes, size_t n);

/** Makes `v` opaque. `what` describes it and is not copied. */
void value_set_opaque(value *v, const char *what);
/** What an opaque value is, for a message: "argparse.Namespace", or its description. */
const char *opaque_shown(char out[2 * NAME_SHOWN], const value *v);
/** Adds an opaque value to p->skipped if no value of that name is there. */
void pool_skip(pool *p, const value *v);

#endif
