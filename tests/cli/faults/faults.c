/* A preloaded library that makes system calls fail, to test how a program reacts. LINNET_FAULT is one of
 *    short             a read returns 700 bytes at most, and every third is interrupted (EINTR)
 *    eio:PART[:N]      reads of files whose path contains PART fail with EIO, or only the first N of them
 *    full:PART:BYTES   writes to files whose path contains PART fail with ENOSPC once BYTES were written to such files
 *    fail:PART:BYTES   the same with EIO
 *    kill:PART:BYTES   SIGKILL instead of the write that would exceed BYTES to such files */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long calls, written;

/** Whether LINNET_FAULT has this kind and applies to the file; *rest is the text after PART. */
static bool applies(const char *kind, int fd, const char **rest) {
    const char *fault = getenv("LINNET_FAULT");
    char link[64], path[PATH_MAX + 1], part[256];
    size_t n = strlen(kind);
    if (fault == NULL || strncmp(fault, kind, n) != 0 || fault[n] != ':')
        return false;
    size_t part_n = strcspn(fault + n + 1, ":");
    snprintf(part, sizeof part, "%.*s", (int)part_n, fault + n + 1);
    *rest = fault + n + 1 + part_n;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, path, PATH_MAX);
    path[got > 0 ? got : 0] = 0;
    return strstr(path, part) != NULL;
}

static bool is_eio(int fd) {
    static atomic_long failed;
    const char *rest;
    return applies("eio", fd, &rest) && (rest[0] != ':' || atomic_fetch_add(&failed, 1) < atol(rest + 1));
}

static bool is_short(void) {
    const char *fault = getenv("LINNET_FAULT");
    return fault != NULL && strcmp(fault, "short") == 0;
}

ssize_t pread(int fd, void *to, size_t n, off_t at) {
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (real == NULL)
        real = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
    if (is_eio(fd)) {
        errno = EIO;
        return -1;
    }
    if (is_short() && atomic_fetch_add(&calls, 1) % 3 == 2) {
        errno = EINTR;
        return -1;
    }
    return real(fd, to, is_short() && n > 700 ? 700 : n, at);
}

ssize_t read(int fd, void *to, size_t n) {
    static ssize_t (*real)(int, void *, size_t);
    if (real == NULL)
        real = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    if (is_eio(fd)) {
        errno = EIO;
        return -1;
    }
    if (is_short() && atomic_fetch_add(&calls, 1) % 3 == 2) {
        errno = EINTR;
        return -1;
    }
    return real(fd, to, is_short() && n > 700 ? 700 : n);
}

/** Whether the write fails; errno is set. */
static bool write_fails(int fd, size_t n) {
    const char *rest;
    bool kills = applies("kill", fd, &rest), full = !kills && applies("full", fd, &rest);
    if (!kills && !full && !applies("fail", fd, &rest))
        return false;
    if (atomic_fetch_add(&written, (long)n) + (long)n <= atol(rest + 1))
        return false;
    if (kills)
        raise(SIGKILL);
    errno = full ? ENOSPC : EIO;
    return true;
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (real == NULL)
        real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    return write_fails(fd, n) ? -1 : real(fd, from, n, at);
}

ssize_t write(int fd, const void *from, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL)
        real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return write_fails(fd, n) ? -1 : real(fd, from, n);
}
