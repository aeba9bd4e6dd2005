#define _GNU_SOURCE
#include "dataset/shard_files.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/source.h"
#include "dataset/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void unpin(const dataset *d, uint32_t shard, bool failed);
static int pin(int *fd, const dataset *d, uint32_t shard);

/** Opens the shards of the queue, so that their copies are made. Errors are left to the reader. */
static void *open_in_advance(void *context) {
    const dataset *d = context;
    shard_files *f = d->opened;
    pthread_mutex_lock(&f->lock);
    while (!atomic_load(&f->stop)) {
        if (f->queue_n == 0) {
            pthread_cond_wait(&f->wake, &f->lock);
            continue;
        }
        uint32_t shard = f->queue[f->queue_first];
        int fd = -1;
        pthread_mutex_unlock(&f->lock);
        if (pin(&fd, d, shard) == OK)
            unpin(d, shard, false);
        pthread_mutex_lock(&f->lock);
        f->file[shard].queued = false;
        f->queue_first = (f->queue_first + 1) % f->n;
        f->queue_n--;
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/** Asks the thread to open a shard. @return whether it is open already */
static bool want(shard_files *f, uint32_t shard) {
    pthread_mutex_lock(&f->lock);
    shard_file *s = &f->file[shard];
    bool open = s->fd >= 0;
    if (!open && !s->queued) {
        s->queued = true;
        f->queue[(f->queue_first + f->queue_n++) % f->n] = shard;
        pthread_cond_signal(&f->wake);
    }
    pthread_mutex_unlock(&f->lock);
    return open;
}

/** What shards need that are read from copies. */
static int start_copies(shard_files *f, dataset *d, const shard_list *l) {
    int rc = OK;
    TRY(memory_zeroed(&f->queue, (size_t)f->n, sizeof *f->queue));
    TRY(memory_zeroed(&f->stamp, (size_t)f->n, sizeof *f->stamp));
    memcpy(f->stamp, l->stamps.stamp, (size_t)f->n * sizeof *f->stamp);
    f->cache = l->cache;
    int error = pthread_create(&f->thread, NULL, open_in_advance, d);
    if (error != 0) {
        rc = fail_errno(error, "cannot start a thread");
        free(f->stamp);
        f->stamp = NULL;
    }
done:
    return rc;
}

int shard_files_create(dataset *d, const shard_list *l, int open_max) {
    shard_files *f = NULL;
    int rc = memory_zeroed(&f, 1, sizeof *f + (size_t)d->shard_n * sizeof f->file[0]);
    if (rc != OK)
        return rc;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->wake, NULL);
    f->n = d->shard_n;
    f->open_max = open_max;
    for (int i = 0; i < f->n; i++)
        f->file[i].fd = -1;
    d->opened = f; /* now owned by d */
    return l->copied ? start_copies(f, d, l) : OK;
}

void shard_files_close(dataset *d) {
    shard_files *f = d->opened;
    if (f == NULL)
        return;
    if (f->stamp != NULL) {
        pthread_mutex_lock(&f->lock);
        atomic_store(&f->stop, true);
        pthread_cond_signal(&f->wake);
        pthread_mutex_unlock(&f->lock);
        pthread_join(f->thread, NULL);
    }
    for (int i = 0; i < f->n; i++)
        if (f->file[i].fd >= 0)
            close(f->file[i].fd);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    free(f->queue);
    free(f->stamp);
    free(f);
    d->opened = NULL;
}

/** The caller holds the lock. */
static void close_shard(shard_files *f, shard_file *s) {
    close(s->fd);
    *s = (shard_file){.fd = -1, .queued = s->queued, .opened = s->opened};
    f->open_n--;
}

/** Closes the file that was used longest ago and that no thread reads. The caller holds the lock. */
static void close_one(shard_files *f) {
    shard_file *oldest = NULL;
    for (int i = 0; i < f->n; i++) {
        shard_file *s = &f->file[i];
        if (s->fd >= 0 && s->users == 0 && (oldest == NULL || s->used < oldest->used))
            oldest = s;
    }
    if (oldest != NULL)
        close_shard(f, oldest);
}

/** Opens the copy of a shard. */
static int open_copy(int *fd, const dataset *d, uint32_t shard) {
    shard_files *f = d->opened;
    file_stamp stamp = f->stamp[shard];
    bool made = false;
    pthread_mutex_lock(&f->lock);
    while (f->open_n >= f->open_max) { /* so that its copy can be removed */
        int before = f->open_n;
        close_one(f);
        if (f->open_n == before)
            break;
    }
    pthread_mutex_unlock(&f->lock);
    int rc = shard_cache_open_copy(fd, &stamp, &made, &f->cache, d->root, d->shard_name[shard], &f->stop);
    pthread_mutex_lock(&f->lock);
    bool removed = rc == OK && made && d->ahead_n == 0 && f->file[shard].opened && !f->warned;
    f->file[shard].opened = true;
    f->warned = f->warned || removed;
    pthread_mutex_unlock(&f->lock);
    if (removed)
        log_warn("the copy of %s/%s was removed during the run and is created again: if other runs share the cache %s, "
                 "raise "
                 "data.cache_size or choose another data.cache_dir",
                 d->root, d->shard_name[shard], f->cache.folder);
    return rc;
}

static int open_shard(int *fd, const dataset *d, uint32_t shard) {
    int rc = OK;
    char path[PATH_BYTES];
    if (shard_cache_needed(d->root, d->shard_name[shard])) {
        TRY(open_copy(fd, d, shard));
    } else {
        TRY(path_join(path, d->root, d->shard_name[shard]));
        *fd = open(path, O_RDONLY | O_CLOEXEC);
        if (*fd < 0)
            return source_fail(errno, path);
    }
    posix_fadvise(*fd, 0, 0, POSIX_FADV_RANDOM); /* disables read-ahead: the data after an image are not needed now */
done:
    return rc;
}

/** The shard's descriptor, valid until unpin. The file is opened without the lock, because that may take long on a
 *  file server. */
static int pin(int *fd, const dataset *d, uint32_t shard) {
    int rc = OK, opened = -1;
    shard_files *f = d->opened;
    shard_file *s = &f->file[shard];
    pthread_mutex_lock(&f->lock);
    if (s->fd < 0) {
        pthread_mutex_unlock(&f->lock);
        TRY(open_shard(&opened, d, shard));
        pthread_mutex_lock(&f->lock);
    }
    if (s->fd >= 0 && opened >= 0) {
        close(opened); /* another thread has opened it meanwhile */
    } else if (s->fd < 0) {
        if (f->open_n >= f->open_max)
            close_one(f);
        s->fd = opened; /* now owned by f */
        f->open_n++;
    }
    s->users++;
    s->used = ++f->clock;
    *fd = s->fd;
    pthread_mutex_unlock(&f->lock);
done:
    return rc;
}

/** failed: the descriptor may be stale, so the next read opens the shard again. */
static void unpin(const dataset *d, uint32_t shard, bool failed) {
    shard_files *f = d->opened;
    shard_file *s = &f->file[shard];
    pthread_mutex_lock(&f->lock);
    s->failed = s->failed || failed;
    if (--s->users == 0 && s->failed)
        close_shard(f, s);
    pthread_mutex_unlock(&f->lock);
}

int shard_files_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit,
                     const char *path) {
    int rc = OK, fd = -1;
    image_location at = d->location[i];
    size_t got = 0, want = (size_t)at.bytes + TAR_BLOCK;
    TRY(source_check_limit(path, at.bytes, limit));
    TRY(source_reserve(b, want));
    TRY(pin(&fd, d, at.shard));
    rc = source_read_at(&got, b->bytes, fd, at.offset - TAR_BLOCK, want, path);
    unpin(d, at.shard, rc == E_IO);
    if (rc != OK)
        goto done;
    if (got < want)
        rc = fail(E_FORMAT, "%s: the shard is truncated: %zu bytes are missing at its end", path, want - got);
    else if (!tar_is_header_of(b->bytes, at.bytes))
        rc = fail(E_FORMAT,
                  "%s: the image is not at this location: the shard is damaged, or was replaced after it was indexed",
                  path);
    *bytes = b->bytes + TAR_BLOCK;
    *n = at.bytes;
done:
    return rc;
}

void shard_files_advise(const dataset *d, const uint32_t *index, int64_t n) {
    const uint64_t near = (uint64_t)64 << 10; /* reading a smaller gap costs less than another request */
    shard_files *f = d->opened;
    for (int64_t k = 0, next = 0; k < n; k = next) {
        image_location first = d->location[index[k]];
        uint64_t begin = first.offset - TAR_BLOCK, end = first.offset + first.bytes;
        int fd = -1;
        for (next = k + 1; next < n; next++) {
            image_location p = d->location[index[next]];
            if (p.shard != first.shard || p.offset < end || p.offset - end > near)
                break;
            end = p.offset + p.bytes;
        }
        if (f->stamp != NULL && !want(f, first.shard))
            continue;
        if (pin(&fd, d, first.shard) != OK)
            return;
        posix_fadvise(fd, (off_t)begin, (off_t)(end - begin), POSIX_FADV_WILLNEED);
        unpin(d, first.shard, false);
    }
}
