/** Writes a pickle of protocol 2, without a memo, with opcodes that torch.load(weights_only=True) accepts. The first
 *  error is stored in `rc`; later calls do nothing. So the code that writes a dictionary needs no error handling in
 *  between and has its structure. */
#ifndef LINNET_CHECKPOINT_PICKLE_H
#define LINNET_CHECKPOINT_PICKLE_H

#include "base/text.h"
#include "checkpoint/checkpoint.h"

typedef struct pickle_storage {
    const void *data; /* borrowed from the tensor; NULL: the data are `scalar` */
    size_t bytes;
    float scalar;
} pickle_storage;

typedef struct pickle {
    text out;
    pickle_storage *storages; /* (storage_n): storage i is the zip entry data/i */
    int storage_n, storage_capacity;
    int rc;
} pickle;

void pickle_begin(pickle *p);
/** Writes STOP. @return p->rc: 0 or E_NOMEM */
int pickle_end(pickle *p);
void pickle_deinit(pickle *p);

void pickle_none(pickle *p);
void pickle_bool(pickle *p, bool b);
void pickle_int(pickle *p, int64_t i);
void pickle_float(pickle *p, double d);
/** Bytes that are not UTF-8 become the surrogates of Python's os.fsdecode, so that any path can be written. */
void pickle_string(pickle *p, const char *s);
/** A tensor with its own storage; its data are borrowed until the pickle and its storages are written. */
void pickle_tensor(pickle *p, const ckpt_tensor *t);
/** A 0-d float32 tensor. */
void pickle_scalar(pickle *p, double d);

/* Containers: between begin and end, write key, value, key, value, ... of a dict, or the items of a list. */
void pickle_dict(pickle *p);
void pickle_ordered_dict(pickle *p);
void pickle_dict_end(pickle *p);
void pickle_counter(pickle *p); /* a collections.Counter */
void pickle_counter_end(pickle *p);
void pickle_list(pickle *p);
void pickle_list_end(pickle *p);
void pickle_pair(pickle *p, double a, double b); /* the tuple (a, b) */

/* One entry of a dict. */
void pickle_item_none(pickle *p, const char *key);
void pickle_item_bool(pickle *p, const char *key, bool b);
void pickle_item_int(pickle *p, const char *key, int64_t i);
void pickle_item_float(pickle *p, const char *key, double d);
void pickle_item_string(pickle *p, const char *key, const char *s);
void pickle_item_dict(pickle *p, const char *key); /* begins the dict; end it with pickle_dict_end */

/** The inverse of pickle_string: converts `n` bytes of a pickle to a terminated string of at most `capacity` bytes.
 *  @return false if the string is too long or contains a zero byte */
bool pickle_text(char *out, size_t capacity, const char *s, size_t n);

#endif
