/* Functions shared by the containers: buffers, errors of the storage, and retries. */

#include "dataset/source.h"

#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEPT_BYTES ((size_t)64 << 20) /* a buffer above this size is not kept for the next image */

/* 12.7 s in total: enough for the restart of a file server, and acceptable before a run is stopped */
enum { TRIES = 7, FIRST_WAIT_MS = 100 };

void image_buffer_deinit(image_buffer *b) {
    free(b->bytes);
    *b = (image_buffer){0};
}

/* Grows by 50 % at least, so that reallocations soon end. Memory that only a very large file needs is released after
 * it. */
int source_reserve(image_buffer *b, size_t n) {
    if (n <= b->capacity && (b->capacity <= KEPT_BYTES || n > KEPT_BYTES))
        return OK;
    size_t grown = b->capacity + b->capacity / 2, capacity = memory_larger(grown < KEPT_BYTES ? grown : 0, n);
    image_buffer_deinit(b);
    int rc = memory_resize(&b->bytes, capacity, 1);
    if (rc != OK)
        return fail_context(E_FORMAT, "not enough memory to read the file"); /* other files may need less */
    b->capacity = capacity;
    return OK;
}

int source_check_limit(const char *path, size_t size, size_t limit) {
    if (limit > 0 && size > limit)
        return fail(E_FORMAT, "%s: file of %zu bytes, more than the limit of %zu bytes", path, size, limit);
    return OK;
}

/** Whether an error of open, stat or read concerns this file. Otherwise it concerns the storage or the process: a
 *  failing disk or file server, too many open files, no memory. */
static bool is_about_file(int error) {
    static const int own[] = {ENOENT, ENOTDIR, EACCES, EPERM,     ELOOP, ENAMETOOLONG,
                              EISDIR, ENXIO,   EINVAL, EOVERFLOW, ESPIPE};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (error == own[i])
            return true;
    return false;
}

int source_fail(int error, const char *path) {
    if (is_about_file(error))
        return fail(E_FORMAT, "cannot read %s: %s", path, strerror(error));
    return fail_errno(error, "cannot read %s", path);
}

bool source_wait(int *tries) {
    if (*tries >= TRIES)
        return false;
    long ms = FIRST_WAIT_MS << *tries;
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    ++*tries;
    nanosleep(&t, NULL);
    return true;
}

int source_stat(struct stat *st, const char *path) {
    for (int tries = 0; stat(path, st) != 0;)
        if (is_about_file(errno) || !source_wait(&tries))
            return source_fail(errno, path);
    return OK;
}

int source_read_at(size_t *got, unsigned char *to, int fd, uint64_t offset, size_t n, const char *path) {
    ssize_t read_n = file_read_at(fd, offset, to, n);
    if (read_n < 0)
        return source_fail(errno, path);
    *got = (size_t)read_n;
    return OK;
}
