#define _GNU_SOURCE
#include "base/file.h"

#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

ssize_t file_read_at(int fd, uint64_t offset, void *out, size_t n) {
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, (char *)out + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int file_write_at(int fd, uint64_t offset, const void *bytes, size_t n, const char *path) {
    size_t done = 0;
    while (done < n) {
        ssize_t put = pwrite(fd, (const char *)bytes + done, n - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno(errno, "cannot write %s", path);
        done += (size_t)put;
    }
    return OK;
}

int file_read(unsigned char **out, size_t *out_n, const char *path, size_t limit) {
    int rc = OK;
    unsigned char *bytes = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO must not block */
    if (fd < 0)
        return fail_errno(errno, "cannot open %s", path);
    if (fstat(fd, &st) != 0) {
        rc = fail_errno(errno, "cannot read %s", path);
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = fail(E_IO, "%s is not a regular file", path);
        goto done;
    }
    if (limit > 0 && (uint64_t)st.st_size > limit) {
        rc = fail(E_FORMAT, "%s: file of %lld bytes, more than the limit of %zu bytes", path, (long long)st.st_size,
                  limit);
        goto done;
    }
    size_t size = (size_t)st.st_size;
    TRY(memory_resize(&bytes, size + 1, 1));
    ssize_t n = file_read_at(fd, 0, bytes, size); /* a file that has shrunk meanwhile is returned as it is now */
    if (n < 0) {
        rc = fail_errno(errno, "cannot read %s", path);
        goto done;
    }
    bytes[n] = 0;
    *out = bytes;
    *out_n = (size_t)n;
    bytes = NULL; /* now owned by the caller */
done:
    free(bytes);
    close(fd);
    return rc;
}

int path_format(char out[PATH_BYTES], const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, PATH_BYTES, format, args);
    va_end(args);
    return n >= 0 && n < PATH_BYTES ? OK : fail(E_IO, "path too long: %.200s...", out);
}

int path_join(char out[PATH_BYTES], const char *folder, const char *name) {
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        n--;
    return path_format(out, "%.*s%s%s", (int)n, folder, n > 0 && folder[n - 1] != '/' ? "/" : "", name);
}

int path_from_program(char out[PATH_BYTES], const char *relative) {
    char program[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0)
        return fail_errno(errno, "cannot read /proc/self/exe, so the program's folder is unknown");
    program[n] = 0;
    return path_format(out, "%.*s%s", (int)(path_name(program) - program), program, relative);
}

const char *path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

bool path_stays_below(const char *name, size_t n) {
    bool stays = n > 0 && name[0] != '/';
    for (size_t from = 0, to = 0; stays && to <= n; to++)
        if (to == n || name[to] == '/') {
            stays = to - from != 2 || name[from] != '.' || name[from + 1] != '.';
            from = to + 1;
        }
    return stays;
}

int folder_make(const char *path) {
    char partial[PATH_BYTES];
    int rc = path_format(partial, "%s", path);
    if (rc != OK)
        return rc;
    if (partial[0] == 0)
        return fail(E_IO, "cannot create a folder: the path is empty");
    for (char *p = partial + 1;; p++) {
        if (*p != '/' && *p != 0)
            continue;
        char end = *p;
        *p = 0;
        if (mkdir(partial, 0777) != 0 && errno != EEXIST)
            return fail_errno(errno, "cannot create folder %s", partial);
        *p = end;
        if (end == 0)
            break;
    }
    return folder_exists(path) ? OK : fail(E_IO, "cannot create folder %s: a file of that name exists", path);
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool folder_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int disk_free(uint64_t *bytes, const char *path) {
    struct statvfs s;
    if (statvfs(path, &s) != 0)
        return fail_errno(errno, "cannot determine the free space of %s", path);
    *bytes = s.f_blocks > 0 ? (uint64_t)s.f_bavail * s.f_frsize : UINT64_MAX;
    return OK;
}

int file_remove(const char *path) {
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_errno(errno, "cannot remove %s", path);
    return OK;
}

/** A new file, never one that exists: what a killed process left is removed first, but nothing other than a regular
 *  file with this name alone, since it may be a way to another file. */
static int open_new(const char *path) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    struct stat st;
    int fd = open(path, flags, 0666);
    if (fd >= 0 || errno != EEXIST)
        return fd;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || unlink(path) != 0) {
        errno = EEXIST;
        return -1;
    }
    return open(path, flags, 0666);
}

int atomic_open(atomic_file *f, const char *path) {
    f->fd = -1;
    f->written = 0;
    f->temporary[0] = 0;
    int rc = OK;
    TRY(path_format(f->path, "%s", path));
    TRY(path_format(f->temporary, "%s.tmp", path));
    f->fd = open_new(f->temporary);
    if (f->fd < 0 && errno == EEXIST)
        rc = fail(E_IO, "cannot write %s: a link, a folder or a special file with this name exists: remove it",
                  f->temporary);
    else if (f->fd < 0)
        rc = fail_errno(errno, "cannot write %s", f->temporary);
done:
    if (rc != OK)
        f->temporary[0] = 0; /* no temporary file was created: atomic_abort must not remove an existing one */
    return rc;
}

int atomic_write(atomic_file *f, const void *bytes, size_t n) {
    int rc = file_write_at(f->fd, f->written, bytes, n, f->path);
    if (rc == OK)
        f->written += n;
    return rc;
}

static void folder_sync(const char *path) {
    char folder[PATH_BYTES];
    if (path_format(folder, "%s", path) != OK)
        return;
    int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* some file systems do not support fsync for folders; the error is ignored */
        close(fd);
    }
}

int atomic_commit(atomic_file *f) {
    int rc = OK;
    if (fsync(f->fd) != 0) {
        rc = fail_errno(errno, "cannot write %s", f->path);
        goto done;
    }
    int closed = close(f->fd);
    f->fd = -1;
    if (closed != 0) {
        rc = fail_errno(errno, "cannot write %s", f->path);
        goto done;
    }
    if (rename(f->temporary, f->path) != 0) {
        rc = fail_errno(errno, "cannot rename %s to %s", f->temporary, f->path);
        goto done;
    }
    folder_sync(f->path);
    f->temporary[0] = 0;
done:
    if (rc != OK)
        atomic_abort(f);
    return rc;
}

void atomic_abort(atomic_file *f) {
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    if (f->temporary[0] != 0)
        unlink(f->temporary);
    f->temporary[0] = 0;
}

int file_write_atomic(const char *path, const void *bytes, size_t n) {
    atomic_file f;
    int rc = OK;
    TRY(atomic_open(&f, path));
    TRY(atomic_write(&f, bytes, n));
    TRY(atomic_commit(&f));
done:
    if (rc != OK)
        atomic_abort(&f);
    return rc;
}

int lock_take(int *out, const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_errno(errno, "cannot open the lock %s", path);
    char holder[128] = "";
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        ssize_t n = pread(fd, holder, sizeof holder - 1, 0);
        close(fd);
        if (error != EWOULDBLOCK)
            return fail_errno(error, "cannot lock %s", path);
        holder[n > 0 ? n : 0] = 0;
        holder[strcspn(holder, "\n")] = 0;
        return fail(E_LOCKED, "%s is locked by process %s: wait until that process ends or choose another --out", path,
                    holder);
    }
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    int n = snprintf(holder, sizeof holder, "%ld on %s\n", (long)getpid(), host);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, (size_t)n, 0) != n) {
        int rc = fail_errno(errno, "cannot write the lock %s", path);
        close(fd);
        return rc;
    }
    *out = fd;
    return OK;
}

double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_wall(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int folder_cache(char out[PATH_BYTES]) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache != NULL && cache[0] == '/')
        return path_join(out, cache, "linnet");
    if (home != NULL && home[0] == '/')
        return path_join(out, home, ".cache/linnet");
    return fail(E_NOTFOUND, "neither XDG_CACHE_HOME nor HOME is an absolute path");
}
