/** Worker threads that fill a ring of batches ahead of the trainer, and stay alive across epochs.
 *
 *      loader_open(&l, dataset, &options);
 *      loader_start(l, epoch, first_batch);
 *      while ((rc = loader_next(&b, l)) == 0 && b != NULL) { ...use b...; loader_release(l, b); }
 *
 *  What stands in a batch depends on (seed, epoch, place) alone: not on workers, timing or where the epoch started.
 *  A corrupt image is recorded once (loader_bad). Training: the next readable image in dataset order (cyclic) takes its
 *  place, with that image's own label and the place's own draws. Validation: the place is left out (b->n is smaller; a
 *  batch may even have n = 0, and is then skipped). When distinct bad files exceed max_bad * files, loader_next fails
 *  with E_DATA. Bad is what cannot be read or decoded for the file's own fault, a file that vanished included; too many
 *  open files or no memory stop the loading. Each rank counts the bad files it met. One consumer thread. */
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
    int batch_size; /* batch b of an epoch holds places b*batch_size .. of its order; the last one may be short */
    int workers;    /* threads to begin with, at least 1; see loader_set_workers */
    int ahead;      /* batches in the ring, at least 2 */
    uint64_t seed;
    bool shuffle;
    int repeats;    /* sampler_repeat; 0 and 1: none. Not with `buffer` */
    bool drop_last; /* leave out a short last batch */
    double max_bad; /* fraction of files, 0..1 */
    int read_ahead; /* shards: batches that the system is asked to read before workers come to them; 0: none */
    int64_t buffer; /* shards, with shuffle: they are read one after the other, through a shuffle buffer of so many
                       images; 0: at random */
    int row;        /* of several ranks: the epoch's batches are dealt out in rows of so many, the first of which
                       begins where loader_start does ... */
    int own, own_n; /* ... and this loader has batches own .. own + own_n - 1 of each. One process: 1, 0 and 1 */
} loader_options;

typedef struct loader loader;

int loader_open(loader **out, const dataset *d, const loader_options *o);
void loader_close(loader *l);

/** Batches of an epoch, those of other ranks included. */
int64_t loader_batches(const loader *l);

/** Begins an epoch at batch `first` (0-based, of all ranks' batches), dropping what was prepared before. Batches not
 * yet released are taken back: do not use them any more. @return 0, E_OPTION (no such batch) */
int loader_start(loader *l, uint32_t epoch, int64_t first);

/** Side of the images from the next loader_start on; at most that of loader_open. */
void loader_set_size(loader *l, int size);

/** The next batch of the epoch that is this loader's; *out = NULL after the last. Waits for it; the time waited adds to
 * loader_waited.
 *  @return 0, or the code of what stopped the loading (E_DATA, E_IO, E_NOMEM) */
int loader_next(batch **out, loader *l);
/** Gives the batch's slot back to the workers. */
void loader_release(loader *l, batch *b);

/** Seconds the consumer has waited since loader_open. */
double loader_waited(const loader *l);

/** CPU seconds that an image has taken a worker to read and prepare, on average since loader_open; NaN before the
 * first. Waiting for the disk is not in it. */
double loader_cost(loader *l);

/** How many threads take part from now on. More are started on demand; surplus ones rest until they are wanted again or
 *  the loader is closed. May be called at any time. @return 0; E_OPTION (n < 1) or why a thread could not be started:
 *  the number stays as it was */
int loader_set_workers(loader *l, int n);

/** A bad image as found: dataset index and message. */
typedef struct bad_image {
    int64_t index;
    char *message;
    bool declared; /* by loader_set_bad, and not met since: the message is no cause */
} bad_image;

/** Distinct bad images so far, sorted by dataset index; valid until the next call. Call from the consumer thread. */
int64_t loader_bad(const bad_image **out, loader *l);

/** Declares images bad beforehand (a resumed run's list), so that they count. What takes their place does not depend on
 *  the list: every visit decodes anew. @return 0, E_DATA (no such image), E_NOMEM */
int loader_set_bad(loader *l, const int64_t *index, int64_t n);
/** Adds an image that another rank met. @return 0, E_NOMEM */
int loader_add_bad(loader *l, int64_t index, const char *message);

#endif
