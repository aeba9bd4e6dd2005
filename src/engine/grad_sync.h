/** Gradients between ranks: ranges of the gradient arena, "buckets", that are all-reduced as backward makes them final.
 *  Internal to src/engine. */
#ifndef LINNET_ENGINE_GRAD_SYNC_H
#define LINNET_ENGINE_GRAD_SYNC_H

#include "engine/engine.h"

/** Of engine.half; 0: gradients are exchanged as they are. */
size_t grad_sync_half_bytes(const engine *e);

/** Divides the gradients into e->bucket, which has room for one a parameter. owner: each parameter's layer. */
void grad_sync_cut(engine *e, const int *owner);
void grad_sync_deinit(engine *e);

/** Hands over the buckets that layer i's backward has made final; *next: the first bucket not yet sent. */
int grad_sync_start(int *next, engine *e, int i);
/** All that were handed over, also after a failure: the memory is theirs until then. */
int grad_sync_wait(engine *e, int sent);

#endif
