/** The state that is shared by the consumer (loader.c), the workers (loader_work.c) and the list of bad images
 *  (loader_bad.c).
 *
 *      own batches since the start  0   1   2 | 3   4   5   6 | 7 ...    (loader_batch_of)
 *                                           ^ deliver       ^ claim, with some of its positions already taken
 *      ring entries (number mod ahead)        [3] [4] [5] [6]
 *
 *  Workers take single positions, in order, so that all of them work on the batch that is needed first. There is one
 *  mutex, held for nanoseconds per image. */
#ifndef LINNET_LOADER_LOADER_STATE_H
#define LINNET_LOADER_LOADER_STATE_H

#include "base/status.h"
#include "dataset/read.h"
#include "loader/loader.h"
#include "loader/sampler.h"

#include <pthread.h>

/** A bad image found while a position was being filled. */
typedef struct bad_event {
    int position; /* in the batch */
    int turn;     /* number of bad images found before it at the same position */
    int64_t index;
    char *message;
} bad_event;

typedef enum ring_entry_state { ENTRY_FREE, ENTRY_FILLING, ENTRY_HELD } ring_entry_state;

typedef struct ring_entry {
    batch batch;
    ring_entry_state state;
    int64_t number; /* of the batch, counted over this loader's batches since loader_start */
    int64_t first;  /* its first position in the epoch's order */
    int positions;
    int taken, done; /* positions given to workers, positions finished */
    bad_event *bad;  /* allocated only when there are bad images */
    size_t bad_n, bad_capacity;
    status_saved error; /* the error that stops the loading, of the earliest position */
    int error_position;
} ring_entry;

/** The memory of one thread. */
typedef struct worker {
    struct loader *loader;
    int number; /* from 0; the thread is active while this is below `active` */
    pthread_t thread;
    decoder *decoder;
    image_buffer file;
} worker;

struct loader {
    const dataset *dataset;
    loader_options options;
    uint32_t *order;                         /* (image_n) */
    uint32_t *stream, *by_location, *shards; /* with a shuffle buffer: (image_n), (image_n), (shard_n); else NULL */
    int64_t *shard_first;                    /* (shard_n + 1) in by_location */
    sampler_hosts hosts;                     /* with a shuffle buffer */
    uint32_t *parts;                         /* with several hosts: (image_n) workspace; else NULL */
    int64_t part_first, part_end;            /* the part of `stream` that this host reads */
    class_share *share;                      /* with balance: (class_n); else NULL */
    int64_t batches;                         /* per epoch, over all ranks */
    int64_t first, rank_batches; /* batch at which the epoch began; number of this loader's batches from there */
    int64_t bad_limit;

    pthread_mutex_t lock;
    pthread_cond_t work;  /* workers: there may be a position to fill, or `quit` is set */
    pthread_cond_t rest;  /* surplus workers: `active` has changed, or `quit` is set */
    pthread_cond_t ready; /* consumer: a batch is complete, or no worker is busy any more */
    bool quit, drain;     /* drain: no new positions are given out; searches for a readable image end */
    int active;           /* active workers */
    int busy;             /* workers that are filling a position */
    uint32_t epoch;
    int largest;      /* image side in pixels for which batches are allocated */
    int size;         /* image side in pixels from the next epoch on */
    int64_t claim;    /* number of the batch that workers are filling */
    int64_t deliver;  /* number of the batch that the consumer gets next */
    ring_entry *ring; /* (ahead) */
    int64_t advised;  /* batch numbers, or positions in the stream, that the operating system was asked to read */
    double cost_seconds;
    int64_t cost_images; /* positions on which cost_seconds were spent */

    /* owned by the consumer; workers also read `bad`, under the lock */
    bad_image *bad; /* sorted by index */
    int64_t bad_n;
    size_t bad_capacity;
    status_saved failed; /* the error that stopped the epoch */
    double waited;
    worker **worker; /* (started) */
    int started;     /* threads, active or paused */
};

/** Allocates what sequential reading needs; called by loader_open. @return 0, E_OPTION, E_NOMEM */
int loader_sequence_init(loader *l);
/** Computes the order of l->epoch. Call only while no worker is busy. */
void loader_sequence_start(loader *l);

/** The index in the epoch, over all ranks, of this loader's batch `number`. */
static inline int64_t loader_batch_of(const loader *l, int64_t number) {
    const loader_options *o = &l->options;
    return l->first + number / o->micro_batch_count * o->micro_batches_per_step + o->micro_batch_first +
           number % o->micro_batch_count;
}

/** With a shuffle buffer: number of images of this host's part in the first `batches` batches of the epoch. */
int64_t loader_sequence_images(const loader *l, int64_t batches);

/** The thread's main function; `argument` is the thread's worker. */
void *loader_work(void *argument);

/** Whether image `index` is in the list of bad images. Call with the lock held. */
bool bad_known(const loader *l, int64_t index);
/** Adds a bad image to its batch's events, with status_message() as its message. Call with the lock held.
 *  @return 0, E_NOMEM */
int bad_record(loader *l, ring_entry *s, int position, int turn, int64_t index);
/** Moves a batch's events to the list, in the order of their positions. @return 0, E_DATA (more than max_bad allows),
 *  E_NOMEM */
int bad_merge(loader *l, ring_entry *s);
/** @return 0, E_DATA if the list is longer than max_bad allows */
int bad_over_limit(const loader *l);
void bad_clear(ring_entry *s);
void bad_deinit(loader *l);

#endif
