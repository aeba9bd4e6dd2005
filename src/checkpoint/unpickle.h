/** A restricted unpickler: protocol 2, the opcodes and globals that tensors, numbers and containers need, no code.
 *  Source: CPython's Lib/pickletools.py; torch/_weights_only_unpickler.py for what is allowed. */
#ifndef LINNET_CHECKPOINT_UNPICKLE_H
#define LINNET_CHECKPOINT_UNPICKLE_H

#include "checkpoint/value.h"

/** Reads one pickle from `bytes`, which must outlive the values (strings point into it); they live in `p`.
 *  `used` gets the bytes read, up to and including STOP. Time and memory are linear in `n`: nothing that the pickle
 *  claims is believed before its bytes are there. @return 0, E_FORMAT (what, at which byte), E_NOMEM */
int unpickle(value **out, size_t *used, pool *p, const unsigned char *bytes, size_t n);

/* What unpickle.c asks of rebuild.c */

/** Sets *out to a VALUE_GLOBAL. @return 0, or E_FORMAT for one that is not allowed, naming it */
int rebuild_global(value *out, const char *module, size_t module_n, const char *name, size_t name_n);
/** Calls `callable` (a VALUE_GLOBAL) on a tuple: sets *out, which may be an argument passed through. */
int rebuild_call(value **out, pool *p, const value *callable, const value *arguments);
/** A persistent id: ('storage', type, key, location, numel, ...). */
int rebuild_storage(value *out, pool *p, const value *id);

#endif
