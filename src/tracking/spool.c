#include "tracking/spool.h"

#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** Ends the last line if it is incomplete, so that it does not spoil the next one. */
static int end_line(spool *s, uint64_t size) {
    char last = '\n';
    int rc = OK;
    if (size > 0 && file_read_at(s->fd, size - 1, &last, 1) != 1)
        return fail_errno(errno, "cannot read %s", s->path);
    if (last != '\n') {
        TRY(file_write_at(s->fd, size, "\n", 1, s->path));
        size++;
    }
    atomic_store(&s->size, size);
    s->torn = false;
done:
    return rc;
}

int spool_open(spool *s, const char *path) {
    struct stat st;
    int rc = OK;
    s->torn = false;
    atomic_init(&s->size, 0);
    s->fd = -1;
    TRY(path_format(s->path, "%s", path));
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->fd < 0 || fstat(s->fd, &st) != 0) {
        rc = fail_errno(errno, "cannot write %s", path);
        goto done;
    }
    TRY(end_line(s, (uint64_t)st.st_size));
done:
    if (rc != OK)
        spool_close(s);
    return rc;
}

int spool_append(spool *s, const char *line, size_t n) {
    uint64_t size = atomic_load(&s->size);
    int rc = OK;
    if (s->torn) { /* what was written of the lost line is removed */
        if (ftruncate(s->fd, (off_t)size) != 0)
            return fail_errno(errno, "cannot write %s", s->path);
        s->torn = false;
    }
    s->torn = true;
    TRY(file_write_at(s->fd, size, line, n, s->path));
    s->torn = false;
    atomic_store(&s->size, size + n);
done:
    return rc;
}

ssize_t spool_read(const spool *s, uint64_t offset, char *out, size_t n) {
    uint64_t size = atomic_load(&s->size);
    if (offset >= size)
        return 0;
    return file_read_at(s->fd, offset, out, size - offset < n ? (size_t)(size - offset) : n);
}

long long spool_lines(const spool *s, uint64_t offset) {
    char part[4096];
    long long lines = 0;
    ssize_t n;
    while ((n = spool_read(s, offset, part, sizeof part)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            lines += part[i] == '\n';
        offset += (uint64_t)n;
    }
    return lines;
}

void spool_close(spool *s) {
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
