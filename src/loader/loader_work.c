/* The workers' side of the loader: each takes a position, fills it, and marks it as done. */
#define _GNU_SOURCE
#include "loader/loader_state.h"

#include "base/file.h"
#include "base/random.h"
#include "base/status.h"

#include <string.h>
#include <time.h>

/** One position to fill. */
typedef struct job {
    ring_entry *entry;
    int position;
    int64_t advise_from, advise_to; /* batch numbers, or positions of the stream, to be read ahead */
} job;

/** Result of filling a position */
enum { FILLED = 0, LEFT_OUT = 1, DROPPED = 2 }; /* or a negative status, which stops the loading */

static void begin(loader *l, ring_entry *s, int64_t number) {
    int size = l->options.batch_size;
    s->state = ENTRY_FILLING;
    s->number = number;
    s->first = loader_batch_of(l, number) * size;
    int64_t left = l->dataset->image_n - s->first;
    s->positions = left < size ? (int)left : size;
    s->taken = s->done = 0;
    s->error.code = OK;
}

/** Sets the range to read ahead when batch `number` begins: the next read_ahead batches of this loader; with a
 *  stream, those of this host's part, also the images in the shuffle buffer. */
static void plan_reading(job *j, loader *l, int64_t number) {
    const loader_options *o = &l->options;
    int64_t to = number + 1 + o->read_ahead, end = l->rank_batches;
    if (o->read_ahead < 1 || l->dataset->location == NULL)
        return;
    if (l->stream != NULL) {
        to =
            l->part_first + loader_sequence_images(l, loader_batch_of(l, to - 1) + 1) + o->buffer + l->dataset->ahead_n;
        end = l->part_end;
    }
    if (j->advise_to == 0)
        j->advise_from = l->advised;
    j->advise_to = l->advised = to < end ? to : end;
}

static void read_ahead(const loader *l, const job *j) {
    int64_t size = l->options.batch_size, images = l->dataset->image_n;
    if (l->stream != NULL) {
        dataset_advise(l->dataset, l->stream + j->advise_from, j->advise_to - j->advise_from);
        return;
    }
    for (int64_t number = j->advise_from; number < j->advise_to; number++) {
        int64_t first = loader_batch_of(l, number) * size, left = images - first;
        dataset_advise(l->dataset, l->order + first, left < size ? left : size);
    }
}

/** Takes the next position in the epoch's order. The caller holds the lock. */
static bool take(loader *l, job *out) {
    *out = (job){0};
    while (!l->drain && l->claim < l->rank_batches) {
        ring_entry *s = &l->ring[l->claim % l->options.ahead];
        if (s->state == ENTRY_FREE) {
            begin(l, s, l->claim);
            plan_reading(out, l, l->claim);
        } else if (s->state == ENTRY_HELD || s->number != l->claim) {
            return false; /* the ring is full */
        }
        if (s->taken < s->positions) {
            out->entry = s;
            out->position = s->taken++;
            return true;
        }
        l->claim++;
    }
    return false;
}

/** Decodes image `index` into the job's position of the batch, with the random draws of the position in the epoch. */
static int load_image(worker *w, const job *j, int64_t index, uint32_t epoch) {
    int rc = OK;
    loader *l = w->loader;
    batch *b = &j->entry->batch;
    char path[PATH_BYTES];
    size_t n = 0;
    const unsigned char *bytes = NULL;
    TRY(dataset_read(&bytes, &n, &w->file, l->dataset, index, l->options.limits.max_file_bytes));
    TRY(dataset_path(path, l->dataset, index));
    random_stream r = random_open(l->options.seed, epoch, (uint64_t)(j->entry->first + j->position), RANDOM_CROP);
    uint8_t *pixels = b->pixels + (size_t)j->position * (size_t)b->h * (size_t)b->w * 3;
    TRY(transform_decode(pixels, w->decoder, bytes, n, path, &l->options.transform, &r));
    b->label[j->position] = b->label_b[j->position] = l->dataset->label[index];
    b->mix[j->position] = 1;
    b->index[j->position] = index;
done:
    return rc;
}

static bool is_bad(int rc) { return rc == E_FORMAT || rc == E_UNSUPPORTED; }

/** Fills one position. Every image is decoded each time, even if it is known to be bad. Whether it is readable may
 *  depend on the region that a crop needs, and the result must be a function of (seed, epoch, position) alone. */
static int fill(worker *w, const job *j, uint32_t epoch) {
    loader *l = w->loader;
    int64_t index = l->order[j->entry->first + j->position];
    for (int turn = 0;; turn++) {
        int rc = load_image(w, j, index, epoch);
        if (!is_bad(rc))
            return rc;
        pthread_mutex_lock(&l->lock);
        int noted = bad_record(l, j->entry, j->position, turn, index);
        bool drop = l->drain;
        pthread_mutex_unlock(&l->lock);
        if (noted != OK)
            return noted;
        if (drop)
            return DROPPED;
        if (!l->options.transform.training) {
            j->entry->batch.index[j->position] = -1;
            return LEFT_OUT;
        }
        /* beyond either limit the delivery of this batch fails anyway */
        if (turn >= l->bad_limit)
            return LEFT_OUT;
        if (turn + 1 >= l->dataset->image_n)
            return fail(E_DATA, "none of the %lld images in %s can be read; the last error: %s",
                        (long long)l->dataset->image_n, l->dataset->root, status_message());
        index = index + 1 < l->dataset->image_n ? index + 1 : 0;
    }
}

/** The caller holds the lock. */
static void finish(loader *l, const job *j, int rc) {
    ring_entry *s = j->entry;
    if (rc < 0 && (s->error.code == OK || j->position < s->error_position)) {
        status_save(&s->error, rc);
        s->error_position = j->position;
    }
    s->done++;
    if (s->done == s->positions && s->number == l->deliver)
        pthread_cond_signal(&l->ready);
}

/** CPU time of the calling thread since it began; waiting is not included. */
static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/** Fills a position that has been taken. The caller holds the lock, which is released meanwhile. */
static void work(worker *w, const job *j) {
    loader *l = w->loader;
    uint32_t epoch = l->epoch;
    bool lost =
        j->entry->error.code != OK && j->entry->error_position < j->position; /* this batch will not be delivered */
    l->busy++;
    pthread_mutex_unlock(&l->lock);
    double begin = cpu_seconds();
    if (j->advise_to > j->advise_from)
        read_ahead(l, j);
    int rc = lost ? LEFT_OUT : fill(w, j, epoch);
    double seconds = cpu_seconds() - begin;
    pthread_mutex_lock(&l->lock);
    if (!lost) {
        l->cost_seconds += seconds;
        l->cost_images++;
    }
    finish(l, j, rc);
    if (--l->busy == 0 && l->drain)
        pthread_cond_signal(&l->ready);
}

void *loader_work(void *argument) {
    worker *w = argument;
    loader *l = w->loader;
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        job j;
        if (w->number >= l->active)
            pthread_cond_wait(&l->rest, &l->lock);
        else if (take(l, &j))
            work(w, &j);
        else
            pthread_cond_wait(&l->work, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}
