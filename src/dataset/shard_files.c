#define _GNU_SOURCE
#include "dataset/shard_files.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/source.h"
#include "dataset/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int shard_files_create(dataset *d) {
    shard_files *f = NULL;
    int rc = memory_zeroed(&f, 1, sizeof *f + (size_t)d->shard_n * sizeof f->file[0]);
    if (rc != OK)
        return rc;
    pthread_mutex_init(&f->lock, NULL);
    f->n = d->shard_n;
    for (int i = 0; i < f->n; i++)
        f->file[i].fd = -1;
    d->opened = f; /* now owned by d */
    return OK;
}

void shard_files_close(dataset *d) {
    shard_files *f = d->opened;
    if (f == NULL)
        return;
    for (int i = 0; i < f->n; i++)
        if (f->file[i].fd >= 0)
            close(f->file[i].fd);
    pthread_mutex_destroy(&f->lock);
    free(f);
    d->opened = NULL;
}

/** Call under the lock. */
static void close_shard(shard_files *f, shard_file *s) {
    close(s->fd);
    *s = (shard_file){.fd = -1};
    f->open_n--;
}

/** Closes one that nobody reads. Call under the lock. */
static void close_one(shard_files *f) {
    for (int i = 0; i < f->n; i++) {
        shard_file *s = &f->file[f->hand];
        f->hand = f->hand + 1 < f->n ? f->hand + 1 : 0;
        if (s->fd >= 0 && s->users == 0) {
            close_shard(f, s);
            return;
        }
    }
}

static int open_shard(int *fd, const dataset *d, uint32_t shard) {
    int rc = OK;
    char path[PATH_BYTES];
    TRY(path_join(path, d->root, d->shard_name[shard]));
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return source_fail(errno, path);
    posix_fadvise(*fd, 0, 0, POSIX_FADV_RANDOM); /* what lies behind an image is not wanted now */
done:
    return rc;
}

/** The shard's descriptor, until unpin. It is opened without the lock: that may take long, on a file server. */
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
        close(opened); /* another thread was faster */
    } else if (s->fd < 0) {
        if (f->open_n >= SHARD_FILES_MAX)
            close_one(f);
        s->fd = opened; /* now owned by f */
        f->open_n++;
    }
    s->users++;
    *fd = s->fd;
    pthread_mutex_unlock(&f->lock);
done:
    return rc;
}

/** failed: the descriptor may have become stale; the next read opens the shard again. */
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
    const uint64_t near = (uint64_t)64 << 10; /* a gap that costs less to read than a further request */
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
        if (pin(&fd, d, first.shard) != OK)
            return;
        posix_fadvise(fd, (off_t)begin, (off_t)(end - begin), POSIX_FADV_WILLNEED);
        unpin(d, first.shard, false);
    }
}
