/** All-reduce of gradients: ranges of the gradient arena ("buckets") are reduced as soon as backward has completed
 *  them. Internal to src/engine. */
#ifndef LINNET_ENGINE_GRAD_SYNC_H
#define LINNET_ENGINE_GRAD_SYNC_H

#include "engine/engine.h"

/** Size of engine.grad_16bit, bytes; 0: gradients are exchanged uncompressed. */
size_t grad_sync_half_bytes(const engine *e);

/** Divides the gradients into e->bucket, which has one entry per parameter. owner: the layer of each parameter. */
void grad_sync_cut(engine *e, const int *owner);
void grad_sync_deinit(engine *e);

/** Starts the all-reduce of the buckets that layer i's backward has completed; *next: the first bucket that is not
 *  started. */
int grad_sync_start(int *next, engine *e, int i);
/** Waits for the first `sent` buckets. Also required after a failure, because their memory is in use until then. */
int grad_sync_wait(engine *e, int sent);

#endif
