#include "dataset/source.h"

#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void image_buffer_deinit(image_buffer *b) {
    free(b->bytes);
    *b = (image_buffer){0};
}

/* Grows by halves, so that it soon grows no more. */
int source_reserve(image_buffer *b, size_t n) {
    if (n <= b->capacity)
        return OK;
    size_t capacity = memory_larger(b->capacity + b->capacity / 2, n);
    int rc = memory_resize(&b->bytes, capacity, 1);
    if (rc == OK)
        b->capacity = capacity;
    return rc;
}

int source_check_limit(const char *path, size_t size, size_t limit) {
    if (limit > 0 && size > limit)
        return fail(E_FORMAT, "%s: %zu bytes, more than the %zu allowed", path, size, limit);
    return OK;
}

/** Whether an error of open or read is about this file (true) or about the process: too many files, no memory. */
static bool is_about_file(int error) {
    return error != EMFILE && error != ENFILE && error != ENOMEM && error != ENOBUFS && error != EAGAIN;
}

int source_fail(int error, const char *path) {
    if (is_about_file(error))
        return fail(E_FORMAT, "cannot read %s: %s", path, strerror(error));
    return fail_errno(error, "cannot read %s", path);
}

int source_read_at(size_t *got, unsigned char *to, int fd, uint64_t offset, size_t n, const char *path) {
    ssize_t read_n = file_read_at(fd, offset, to, n);
    if (read_n < 0)
        return source_fail(errno, path);
    *got = (size_t)read_n;
    return OK;
}
