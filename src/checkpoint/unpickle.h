/** A restricted unpickler: protocol 2, with the opcodes and globals that tensors, numbers and containers need. It
 *  executes no code.
 *  Source: CPython's Lib/pickletools.py; torch/_weights_only_unpickler.py for the allowed opcodes and globals. */
#ifndef LINNET_CHECKPOINT_UNPICKLE_H
#define LINNET_CHECKPOINT_UNPICKLE_H

#include "checkpoint/value.h"

/** Reads one pickle from `bytes`. The values are owned by `p`. Strings point into `bytes`, which must outlive the
 *  values. Time and memory are linear in `n`: a claimed size is used only after its bytes were found.
 *  @param[out] used number of bytes read, up to and including STOP
 *  @return 0, E_FORMAT (the message has the fault and its byte), E_NOMEM */
int unpickle(value **out, size_t *used, pool *p, const unsigned char *bytes, size_t n);

/* Functions of rebuild.c for unpickle.c */

/** Sets *out to a VALUE_GLOBAL. @return 0, E_FORMAT (a global that is not allowed; the message has its name) */
int rebuild_global(value *out, const char *module, size_t module_n, const char *name, size_t name_n);
/** Calls `callable` (a VALUE_GLOBAL) with a tuple of arguments. *out may be one of the arguments. */
int rebuild_call(value **out, pool *p, const value *callable, const value *arguments);
/** Reads a persistent id: ('storage', type, key, location, numel, ...). */
int rebuild_storage(value *out, pool *p, const value *id);

#endif
