#define _GNU_SOURCE
#include "dataset/shard_files.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/source.h"
#include "dataset/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define OPEN_MAX_SHARDS 256 /* far below the usual limit of 1,024 descriptors */

/** A shard's descriptor; -1 while it is closed. */
typedef struct shard_file {
    int fd;
    int users;
} shard_file;

typedef struct shard_files {
    pthread_mutex_t lock;
    int n, open_n;
    int hand; /* where the search for one to close goes on */
    shard_file file[];
} shard_files;

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

/** Closes one that nobody reads. Call under the lock. */
static void close_one(shard_files *f) {
    for (int i = 0; i < f->n; i++, f->hand++) {
        shard_file *s = &f->file[f->hand % f->n];
        if (s->fd < 0 || s->users > 0)
            continue;
        close(s->fd);
        s->fd = -1;
        f->open_n--;
        return;
    }
}

/** The shard's descriptor, until unpin. */
static int pin(int *fd, const dataset *d, uint32_t shard) {
    int rc = OK;
    shard_files *f = d->opened;
    shard_file *s = &f->file[shard];
    pthread_mutex_lock(&f->lock);
    if (s->fd < 0) {
        char path[PATH_BYTES];
        TRY(path_join(path, d->root, d->shard_name[shard]));
        if (f->open_n >= OPEN_MAX_SHARDS)
            close_one(f);
        s->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (s->fd < 0) {
            rc = source_fail(errno, path);
            goto done;
        }
        f->open_n++;
        posix_fadvise(s->fd, 0, 0, POSIX_FADV_RANDOM); /* what lies behind an image is not wanted now */
    }
    s->users++;
    *fd = s->fd;
done:
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static void unpin(const dataset *d, uint32_t shard) {
    shard_files *f = d->opened;
    pthread_mutex_lock(&f->lock);
    f->file[shard].users--;
    pthread_mutex_unlock(&f->lock);
}

int shard_files_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit,
                     const char *path) {
    int rc = OK, fd = -1;
    image_place at = d->place[i];
    size_t got = 0, want = (size_t)at.bytes + TAR_BLOCK;
    TRY(source_check_limit(path, at.bytes, limit));
    TRY(source_reserve(b, want));
    TRY(pin(&fd, d, at.shard));
    rc = source_read_at(&got, b->bytes, fd, at.offset - TAR_BLOCK, want, path);
    unpin(d, at.shard);
    if (rc != OK)
        goto done;
    if (got < want)
        rc = fail(E_FORMAT, "%s: the shard is truncated: it ends %zu bytes too early", path, want - got);
    else if (!tar_is_header_of(b->bytes, at.bytes))
        rc = fail(E_FORMAT, "%s: no such member there: the shard is damaged, or was replaced after its index was made",
                  path);
    *bytes = b->bytes + TAR_BLOCK;
    *n = at.bytes;
done:
    return rc;
}

void shard_files_advise(const dataset *d, const uint32_t *index, int64_t n) {
    const uint64_t near = (uint64_t)64 << 10; /* a gap that costs less to read than a further request */
    for (int64_t k = 0, next = 0; k < n; k = next) {
        image_place first = d->place[index[k]];
        uint64_t begin = first.offset - TAR_BLOCK, end = first.offset + first.bytes;
        int fd = -1;
        for (next = k + 1; next < n; next++) {
            image_place p = d->place[index[next]];
            if (p.shard != first.shard || p.offset < end || p.offset - end > near)
                break;
            end = p.offset + p.bytes;
        }
        if (pin(&fd, d, first.shard) != OK)
            return;
        posix_fadvise(fd, (off_t)begin, (off_t)(end - begin), POSIX_FADV_WILLNEED);
        unpin(d, first.shard);
    }
}
