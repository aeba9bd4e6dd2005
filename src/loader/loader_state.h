/** What the two sides of the loader share: the consumer's (loader.c), the workers' (loader_work.c) and the list of bad
 *  images (loader_bad.c).
 *
 *      own batches since the start  0   1   2 | 3   4   5   6 | 7 ...    (loader_batch_of)
 *                                           ^ deliver       ^ claim + places of it already taken
 *      slots (number mod ahead)               [3] [4] [5] [6]
 *
 *  Workers take single places, in order, so that all of them work on the batch that is needed first. One mutex: it is
 *  held for nanoseconds per image. */
#ifndef LINNET_LOADER_LOADER_STATE_H
#define LINNET_LOADER_LOADER_STATE_H

#include "base/status.h"
#include "dataset/read.h"
#include "loader/loader.h"

#include <pthread.h>

/** A bad image met while a place was filled. */
typedef struct bad_event {
    int place; /* in the batch */
    int turn;  /* how many were met before it at the same place */
    int64_t index;
    char *message;
} bad_event;

typedef enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_HELD } slot_state;

typedef struct slot {
    batch batch;
    slot_state state;
    int64_t number; /* which of this loader's batches since loader_start */
    int64_t first;  /* its first place in the epoch's order */
    int places;
    int taken, done; /* places given to workers, places finished */
    bad_event *bad;  /* grows only when images are bad */
    size_t bad_n, bad_capacity;
    status_saved error; /* what stops the loading, of the earliest place */
    int error_place;
} slot;

/** One thread's own memory. */
typedef struct worker {
    struct loader *loader;
    int number; /* from 0; it takes part while that is below `active` */
    pthread_t thread;
    decoder *decoder;
    image_buffer file;
} worker;

struct loader {
    const dataset *dataset;
    loader_options options;
    uint32_t *order;                      /* (image_n) */
    uint32_t *stream, *by_place, *shards; /* with a shuffle buffer: (image_n), (image_n), (shard_n); else NULL */
    int64_t *shard_first;                 /* (shard_n + 1) in by_place */
    int64_t batches;                      /* of an epoch, all ranks' */
    int64_t first, share;                 /* where the epoch was begun, and this loader's batches from there on */
    int64_t bad_limit;

    pthread_mutex_t lock;
    pthread_cond_t work;  /* workers: there may be a place to fill, or it is time to quit */
    pthread_cond_t rest;  /* surplus workers: `active` has changed, or it is time to quit */
    pthread_cond_t ready; /* consumer: a batch is complete, or nobody is busy any more */
    bool quit, drain;     /* drain: no new places; searches end */
    int active;           /* workers that take part */
    int busy;             /* workers at a place */
    uint32_t epoch;
    int largest;     /* side of an image that a batch has room for */
    int size;        /* of images from the next epoch on */
    int64_t claim;   /* number that workers fill */
    int64_t deliver; /* number that the consumer gets next */
    slot *slot;      /* (ahead) */
    int64_t advised; /* numbers, or places of the stream, that the system was asked to read */
    double cost_seconds;
    int64_t cost_images; /* places that those went into */

    /* the consumer's; `bad` is also read by workers, under the lock */
    bad_image *bad; /* sorted by index */
    int64_t bad_n;
    size_t bad_capacity;
    status_saved failed; /* what stopped the epoch */
    double waited;
    worker **worker; /* (started) */
    int started;     /* threads that run or rest */
};

/** What is read one after the other; for loader_open. @return 0, E_OPTION, E_NOMEM */
int loader_sequence_init(loader *l);
/** Sets the order of l->epoch. Call while no worker is busy. */
void loader_sequence_start(loader *l);

/** Which batch of the epoch this loader's batch `number` is. */
static inline int64_t loader_batch_of(const loader *l, int64_t number) {
    const loader_options *o = &l->options;
    return l->first + number / o->own_n * o->row + o->own + number % o->own_n;
}

/** The thread's main function; `argument` is its worker. */
void *loader_work(void *argument);

/** Whether image `index` is on the list. Call under the lock. */
bool bad_known(const loader *l, int64_t index);
/** Adds a met image to its batch's events, under the lock; takes the message of status_message(). @return 0, E_NOMEM */
int bad_note(loader *l, slot *s, int place, int turn, int64_t index);
/** Moves a batch's events to the list, in the order of their places. @return 0, E_DATA past max_bad, E_NOMEM */
int bad_commit(loader *l, slot *s);
/** E_DATA when the list is longer than max_bad allows. */
int bad_check(const loader *l);
void bad_clear(slot *s);
void bad_deinit(loader *l);

#endif
