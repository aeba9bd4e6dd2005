/** A restricted unpickler of protocols 2 to 5. It reads tensors, numbers, strings and containers. It imports, calls and
 *  executes nothing: an object of any other class becomes an opaque value (VALUE_OPAQUE), whose content is not kept.
 *  Source: CPython's Lib/pickletools.py for the opcodes; torch/_utils.py for the arguments of tensors. */
#ifndef LINNET_CHECKPOINT_UNPICKLE_H
#define LINNET_CHECKPOINT_UNPICKLE_H

#include "checkpoint/value.h"

/** Reads one pickle from `bytes`. The values are owned by `p`. Strings point into `bytes`, which must outlive the
 *  values. Time and memory are linear in `n`: a claimed size is used only after its bytes were found.
 *  @param[out] used number of bytes read, up to and including STOP
 *  @return 0, E_FORMAT (the message has the fault and its byte), E_NOMEM */
int unpickle(value **out, size_t *used, pool *p, const unsigned char *bytes, size_t n);

/* Functions of rebuild.c for unpickle.c */

/** Sets *out to a VALUE_GLOBAL, or if the global is not known to a VALUE_OPAQUE with its name, which pool_skip gets. */
void rebuild_global(value *out, pool *p, const char *module, size_t module_n, const char *name, size_t name_n);
/** Makes what a call of `callable` (a VALUE_GLOBAL) with a tuple of arguments would. *out may be one of the arguments;
 *  it is opaque if one that matters is. @return 0, E_FORMAT (invalid arguments), E_NOMEM */
int rebuild_call(value **out, pool *p, const value *callable, const value *arguments);
/** Reads a persistent id: ('storage', type, key, location, numel, ...). *out is opaque if the type is. */
int rebuild_storage(value *out, pool *p, const value *id);

#endif
