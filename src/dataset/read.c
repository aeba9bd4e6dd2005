#define _GNU_SOURCE
#include "dataset/read.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_MAX_SHARDS 256 /* far below the usual limit of 1,024 descriptors */

/** A shard's descriptor; -1 while it is closed. */
typedef struct shard_file {
    int fd;
    int users;
} shard_file;

struct shard_files {
    pthread_mutex_t lock;
    int n, open_n;
    int hand; /* where the search for one to close goes on */
    shard_file file[];
};

void image_buffer_deinit(image_buffer *b) {
    free(b->bytes);
    *b = (image_buffer){0};
}

int shard_files_create(dataset *d) {
    shard_files *f = NULL;
    int rc = memory_zeroed(&f, 1, sizeof *f + (size_t)d->shard_n * sizeof f->file[0]);
    if (rc != OK)
        return rc;
    pthread_mutex_init(&f->lock, NULL);
    f->n = d->shard_n;
    for (int i = 0; i < f->n; i++)
        f->file[i].fd = -1;
    d->files = f;
    return OK;
}

void shard_files_close(shard_files *f) {
    if (f == NULL)
        return;
    for (int i = 0; i < f->n; i++)
        if (f->file[i].fd >= 0)
            close(f->file[i].fd);
    pthread_mutex_destroy(&f->lock);
    free(f);
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
    shard_files *f = d->files;
    shard_file *s = &f->file[shard];
    pthread_mutex_lock(&f->lock);
    if (s->fd < 0) {
        char path[PATH_BYTES];
        TRY(path_join(path, d->root, d->shard_name[shard]));
        if (f->open_n >= OPEN_MAX_SHARDS)
            close_one(f);
        s->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (s->fd < 0) {
            rc = fail_file(errno, path);
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
    pthread_mutex_lock(&d->files->lock);
    d->files->file[shard].users--;
    pthread_mutex_unlock(&d->files->lock);
}

/** Room for `n` bytes; grows by halves, so that it soon grows no more. */
static int reserve(image_buffer *b, size_t n) {
    if (n <= b->capacity)
        return OK;
    size_t capacity = b->capacity + b->capacity / 2 > n ? b->capacity + b->capacity / 2 : n;
    int rc = memory_resize(&b->bytes, capacity, 1);
    if (rc == OK)
        b->capacity = capacity;
    return rc;
}

static int check_limit(const char *path, size_t size, size_t limit) {
    if (limit > 0 && size > limit)
        return fail(E_FORMAT, "%s: %zu bytes, more than the %zu allowed", path, size, limit);
    return OK;
}

/** Up to n bytes at `offset`; fewer where the file ends. */
static int read_at(size_t *got_n, unsigned char *to, int fd, uint64_t offset, size_t n, const char *path) {
    ssize_t got = file_read_at(fd, offset, to, n);
    if (got < 0)
        return fail_file(errno, path);
    *got_n = (size_t)got;
    return OK;
}

/** The image with the header before it, in one read. */
static int read_place(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i,
                      size_t limit, const char *path) {
    int rc = OK, fd = -1;
    image_place at = d->place[i];
    size_t got = 0, want = (size_t)at.bytes + TAR_BLOCK;
    TRY(check_limit(path, at.bytes, limit));
    TRY(reserve(b, want));
    TRY(pin(&fd, d, at.shard));
    rc = read_at(&got, b->bytes, fd, at.offset - TAR_BLOCK, want, path);
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

static int read_file(const unsigned char **bytes, size_t *n, image_buffer *b, size_t limit, const char *path) {
    int rc = OK;
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
    TRY(check_limit(path, (size_t)st.st_size, limit));
    TRY(reserve(b, (size_t)st.st_size));
    TRY(read_at(n, b->bytes, fd, 0, (size_t)st.st_size, path)); /* one that shrank meanwhile: the decoder will tell */
    *bytes = b->bytes;
done:
    close(fd);
    return rc;
}

int dataset_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit) {
    char path[PATH_BYTES];
    if (dataset_path(path, d, i) != OK)
        return fail_context(E_FORMAT, "%s", dataset_name(d, i));
    return d->place != NULL ? read_place(bytes, n, b, d, i, limit, path) : read_file(bytes, n, b, limit, path);
}

int64_t dataset_image_bytes(const dataset *d, int64_t i) {
    char path[PATH_BYTES];
    struct stat st;
    if (d->place != NULL)
        return d->place[i].bytes;
    return dataset_path(path, d, i) == OK && stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

void dataset_advise(const dataset *d, const uint32_t *index, int64_t n) {
    const uint64_t near = (uint64_t)64 << 10; /* a gap that costs less to read than a further request */
    for (int64_t k = 0, next = 0; d->place != NULL && k < n; k = next) {
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
