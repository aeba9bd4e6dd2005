/** Chooses data.batch_size auto. */
#ifndef LINNET_TRAINING_BATCH_SIZE_H
#define LINNET_TRAINING_BATCH_SIZE_H

#include "training/run_context.h"

/** The bytes of the largest batch that fits, and of the next size if memory is what excludes it. */
typedef struct batch_size_fit {
    int images, next; /* next 0: not excluded by memory */
    size_t bytes, next_bytes;
} batch_size_fit;

/** If data.batch_size is auto, sets it: to that of the checkpoint `from` (resume_progress; NULL on ranks but 0) if it
 * is known, else to the largest power of two (with trainer.global_batch: divisor of it) with which training and
 * validation need at most BATCH_SIZE_SHARE of the available memory, and an epoch has a full step. Nothing is computed:
 * the memory is that of the plans and of the loader's batches. Every rank calls; all get the smallest size. Opens the
 * dataset and the engine for the time of the call. @return 0, E_NOMEM (no batch fits), E_SHAPE, E_OPTION, E_RANK, or
 * the error of opening */
int batch_size_choose(config *c, const ckpt *from, comm *all);

#define BATCH_SIZE_SHARE 0.9 /* the rest is for the device's library and other processes */

/** The largest size with which the plans of training and validation (s->val not NULL) and, in host memory, the loader's
 *  batches need at most `limit` bytes. @param s with an engine; most: no larger size is tried
 *  @return 0, E_NOMEM (not even the smallest), E_SHAPE (all are too small for batch norm) */
int batch_size_largest(batch_size_fit *out, run_context *s, size_t limit, int64_t most);

#endif
