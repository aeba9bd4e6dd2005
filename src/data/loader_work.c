/* The workers' side of the loader: take a place, fill it, say so. */
#define _GNU_SOURCE
#include "data/loader_state.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/** One place to fill. */
typedef struct job {
    slot *slot;
    int place;
} job;

/** How the filling of a place ended. */
enum { FILLED = 0, LEFT_OUT = 1, DROPPED = 2 }; /* or a negative status, which stops the loading */

static void begin(loader *l, slot *s, int64_t number) {
    int64_t group = (int64_t)l->options.batch_size * l->options.ranks;
    int64_t first = number * group, n = l->dataset->image_n - first;
    if (n > group)
        n = group;
    /* a full batch gives every rank batch_size places; a short one is split as evenly as can be */
    int64_t low = n * l->options.rank / l->options.ranks, high = n * (l->options.rank + 1) / l->options.ranks;
    s->state = SLOT_FILLING;
    s->number = number;
    s->first = first + low;
    s->places = (int)(high - low);
    s->taken = s->done = 0;
    s->error = OK;
    if (s->places == 0 && number == l->deliver)
        pthread_cond_signal(&l->ready);
}

/** The next place, in the epoch's order. Call under the lock. */
static bool take(loader *l, job *out) {
    while (!l->drain && l->claim < l->batches) {
        slot *s = &l->slot[l->claim % l->options.ahead];
        if (s->state == SLOT_FREE)
            begin(l, s, l->claim);
        else if (s->state == SLOT_HELD || s->number != l->claim)
            return false; /* the ring is full */
        if (s->taken < s->places) {
            *out = (job){.slot = s, .place = s->taken++};
            return true;
        }
        l->claim++;
    }
    return false;
}

/** Whether an error of open or read is about this file (true) or about the process: too many files, no memory. */
static bool is_about_file(int error) {
    return error != EMFILE && error != ENFILE && error != ENOMEM && error != ENOBUFS && error != EAGAIN;
}

static int fail_file(int error, const char *path) {
    if (is_about_file(error))
        return fail(E_FORMAT, "cannot read %s: %s", path, strerror(error));
    return fail_errno(error, "cannot read %s", path);
}

/** Room for `n` bytes; grows by halves, so that it soon grows no more. */
static int reserve(worker *w, size_t n) {
    if (n <= w->capacity)
        return OK;
    size_t capacity = w->capacity + w->capacity / 2 > n ? w->capacity + w->capacity / 2 : n;
    int rc = memory_resize(&w->bytes, capacity, 1);
    if (rc == OK)
        w->capacity = capacity;
    return rc;
}

/** Reads a file into w->bytes. @return 0, E_FORMAT for what is the file's fault, else what stops the loading */
static int read_image(size_t *out_n, worker *w, const char *path) {
    int rc = OK;
    size_t n = 0;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe named .jpg must not block */
    if (fd < 0)
        return fail_file(errno, path);
    if (fstat(fd, &st) != 0) {
        rc = fail_file(errno, path);
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = fail(E_FORMAT, "%s is not a regular file", path);
        goto done;
    }
    size_t limit = w->loader->options.limits.max_file_bytes, size = (size_t)st.st_size;
    if (limit > 0 && size > limit) {
        rc = fail(E_FORMAT, "%s: %zu bytes, more than the %zu allowed", path, size, limit);
        goto done;
    }
    TRY(reserve(w, size));
    while (n < size) {
        ssize_t got = read(fd, w->bytes + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            rc = fail_file(errno, path);
            goto done;
        }
        if (got == 0)
            break; /* shrank meanwhile: the decoder will tell */
        n += (size_t)got;
    }
    *out_n = n;
done:
    close(fd);
    return rc;
}

/** Decodes image `index` into the job's place, with the place's own draws. */
static int load_image(worker *w, const job *j, int64_t index, uint32_t epoch) {
    int rc = OK;
    loader *l = w->loader;
    batch *b = &j->slot->batch;
    char path[PATH_BYTES];
    size_t n = 0;
    rc = dataset_path(path, l->dataset, index);
    if (rc != OK) {
        rc = fail_context(E_FORMAT, "%s", dataset_name(l->dataset, index));
        goto done;
    }
    TRY(read_image(&n, w, path));
    random_stream r = random_open(l->options.seed, epoch, (uint64_t)(j->slot->first + j->place), RANDOM_CROP);
    uint8_t *pixels = b->pixels + (size_t)j->place * (size_t)b->h * (size_t)b->w * 3;
    TRY(transform_decode(pixels, w->decoder, w->bytes, n, path, &l->options.transform, &r));
    b->label[j->place] = b->label_b[j->place] = l->dataset->label[index];
    b->mix[j->place] = 1;
    b->index[j->place] = index;
done:
    return rc;
}

static bool is_bad(int rc) { return rc == E_FORMAT || rc == E_UNSUPPORTED; }

/** Fills one place. Every visit decodes anew, so that what stands there is a function of (seed, epoch, place) alone:
 *  whether an image is readable may depend on which part of it a crop needs. */
static int fill(worker *w, const job *j, uint32_t epoch) {
    loader *l = w->loader;
    int64_t index = l->order[j->slot->first + j->place];
    for (int turn = 0;; turn++) {
        int rc = load_image(w, j, index, epoch);
        if (!is_bad(rc))
            return rc;
        pthread_mutex_lock(&l->lock);
        int noted = bad_note(l, j->slot, j->place, turn, index);
        bool drop = l->drain;
        pthread_mutex_unlock(&l->lock);
        if (noted != OK)
            return noted;
        if (drop)
            return DROPPED;
        if (!l->options.transform.training) {
            j->slot->batch.index[j->place] = -1;
            return LEFT_OUT;
        }
        /* past either bound the delivery of this batch fails: there is no point in searching on */
        if (turn >= l->bad_limit)
            return LEFT_OUT;
        if (turn + 1 >= l->dataset->image_n)
            return fail(E_DATA, "none of the %lld images in %s can be read; the last: %s",
                        (long long)l->dataset->image_n, l->dataset->root, status_message());
        index = index + 1 < l->dataset->image_n ? index + 1 : 0;
    }
}

/** Call under the lock. */
static void finish(loader *l, const job *j, int rc) {
    slot *s = j->slot;
    if (rc < 0 && (s->error == OK || j->place < s->error_place)) {
        s->error = rc;
        s->error_place = j->place;
        size_t n = strnlen(status_message(), sizeof s->message - 1);
        memcpy(s->message, status_message(), n);
        s->message[n] = 0;
    }
    s->done++;
    if (s->done == s->places && s->number == l->deliver)
        pthread_cond_signal(&l->ready);
}

/** What the calling thread has computed, not waited, since it began. */
static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/** Fills a place that has been taken. Call under the lock; it is released meanwhile. */
static void work(worker *w, const job *j) {
    loader *l = w->loader;
    uint32_t epoch = l->epoch;
    bool lost = j->slot->error != OK && j->slot->error_place < j->place; /* this batch will not be delivered */
    l->busy++;
    pthread_mutex_unlock(&l->lock);
    double begin = cpu_seconds();
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
