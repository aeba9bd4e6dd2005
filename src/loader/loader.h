/** Worker threads that fill a ring of batches ahead of the trainer. The threads live until loader_close, across epochs.
 *
 *      loader_open(&l, dataset, &options);
 *      loader_start(l, epoch, first_batch);
 *      while ((rc = loader_next(&b, l)) == 0 && b != NULL) { ...use b...; loader_release(l, b); }
 *
 *  The content of a batch depends on (seed, epoch, position) alone, not on the number of workers, on timing or on the
 *  batch at which the epoch began. With sequential reading by several hosts it also depends on micro_batch_host.
 *
 *  An image is bad if it cannot be read or decoded because of the file itself; a file that no longer exists is bad too.
 *  Too many open files and out of memory are errors that stop the loading. A bad image is recorded once (loader_bad).
 *  In training the next readable image in dataset order (cyclic) replaces it, with its own label and with the draws of
 *  the position. In validation the position is omitted: b->n is smaller, and an empty batch is skipped. If the
 *  number of distinct bad files exceeds max_bad * files, loader_next fails with E_DATA. Each rank counts the bad files
 *  that it has found itself. One thread consumes the batches. */
#ifndef LINNET_LOADER_LOADER_H
#define LINNET_LOADER_LOADER_H

#include "dataset/dataset.h"
#include "loader/batch.h"
#include "loader/transform.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct loader_options {
    transform transform;
    image_limits limits;
    int batch_size; /* batch b of an epoch has the positions from b*batch_size on; the last one may be short */
    int workers;    /* number of threads at the start, at least 1; see loader_set_workers */
    int ahead;      /* batches in the ring, at least 2 */
    uint64_t seed;
    bool shuffle;
    int repeats; /* see sampler_repeat; 0 and 1: no repeats. Not together with `buffer` */
    double
        balance; /* 0: every image once in an epoch; above, up to 1: see sampler_shares. Not together with `buffer` */
    bool drop_last; /* omit a short last batch */
    double max_bad; /* fraction of files, 0..1 */
    int read_ahead; /* shards: batches that the operating system is asked to read in advance; 0: none */
    int64_t buffer; /* shards, with shuffle: size in images of the shuffle buffer through which the shards are read
                       sequentially; 0: random access */
    /* With several ranks, the epoch's batches are divided into steps of micro_batches_per_step, beginning with the
     * first batch of loader_start. Of each step, this loader has micro_batch_count micro-batches, beginning with
     * micro_batch_first. Without ranks: 1, 0 and 1. */
    int micro_batches_per_step, micro_batch_first, micro_batch_count;
    /* With `buffer`: each host reads a part of its own of the stream (sampler_hosts). The host of each micro-batch of a
     * step, (micro_batches_per_step) numbers from 0 to hosts - 1, borrowed until loader_close. Those of this loader
     * are equal. NULL with hosts 0 or 1: one host. */
    const int *micro_batch_host;
    int hosts;
} loader_options;

typedef struct loader loader;

/** `d` is borrowed. It may have no images unless o->transform.training. */
int loader_open(loader **out, const dataset *d, const loader_options *o);
void loader_close(loader *l);

/** Number of batches per epoch, those of other ranks included. */
int64_t loader_batches(const loader *l);

/** Begins an epoch at batch `first` (from 0, counted over all ranks) and discards what was prepared before. Batches
 *  that were not released become invalid. @return 0, E_OPTION (no such batch) */
int loader_start(loader *l, uint32_t epoch, int64_t first);

/** Sets the side of the images, in pixels, from the next loader_start on; at most that of loader_open. */
void loader_set_size(loader *l, int size);
/** Changes the order of the passes of a resize. Called before loader_start. */
void loader_set_resize_order(loader *l, resize_order order);

/** Waits for this loader's next batch of the epoch; *out is NULL after the last one. The time waited is added to
 *  loader_waited. The batch is the loader's; release it with loader_release.
 *  @return 0, or the code of the error that stopped the loading (E_DATA, E_IO, E_NOMEM) */
int loader_next(batch **out, loader *l);
/** Returns the batch to the workers, which fill it again. */
void loader_release(loader *l, batch *b);

/** Number of this loader's batches since loader_start that loader_next has returned or skipped. */
int64_t loader_taken(const loader *l);

/** Seconds that the consumer has waited since loader_open. */
double loader_waited(const loader *l);

/** Mean CPU seconds per image that workers have needed to read and prepare it, since loader_open; NaN before the first
 *  image. The time spent waiting for the disk is not included. */
double loader_cost(loader *l);

/** Sets the number of active threads. Missing threads are started; surplus threads pause until they are needed again or
 *  the loader is closed. May be called at any time. @return 0; E_OPTION (n < 1), or the error of starting a thread:
 *  then the number is unchanged */
int loader_set_workers(loader *l, int n);

/** A bad image: dataset index and error message. */
typedef struct bad_image {
    int64_t index;
    char *message;
    bool declared; /* by loader_set_bad, and not read since: the message gives no reason */
} bad_image;

/** The distinct bad images so far, sorted by dataset index; valid until the next call. For the consumer thread only.
 *  @return their number */
int64_t loader_bad(const bad_image **out, loader *l);

/** Declares images as bad in advance (the list of a resumed run), so that they count. Their replacement does not depend
 *  on the list, because every image is decoded each time it is needed. @return 0, E_DATA (no such image), E_NOMEM */
int loader_set_bad(loader *l, const int64_t *index, int64_t n);
/** Adds a bad image that another rank has found. @return 0, E_NOMEM */
int loader_add_bad(loader *l, int64_t index, const char *message);

#endif
