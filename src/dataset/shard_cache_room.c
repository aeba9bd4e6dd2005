#define _GNU_SOURCE
#include "dataset/shard_cache_room.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct copy {
    char name[256];
    uint64_t used; /* time of the last use, ns */
    uint64_t bytes;
} copy;

static bool is_copy(const char *name) {
    size_t n = strlen(name);
    if (n < 20 || strspn(name, "0123456789abcdef") != 16)
        return false;
    return strcmp(name + n - 4, ".tar") == 0 || strcmp(name + 16, ".part") == 0;
}

static int list_copies(copy **out, size_t *n, uint64_t *bytes, const shard_cache *c, const char *part) {
    int rc = OK;
    size_t capacity = 0;
    DIR *dir = opendir(c->folder);
    if (dir == NULL)
        return fail_errno(errno, "cannot read the folder %s", c->folder);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        struct stat st;
        if (!is_copy(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, 0) != 0)
            continue;
        *bytes += (uint64_t)st.st_size;
        if (strcmp(e->d_name, path_name(part)) == 0)
            continue;
        TRY(memory_grow(out, &capacity, *n + 1, sizeof **out));
        copy *k = &(*out)[(*n)++];
        *k = (copy){.used = stamp_nanoseconds(st.st_mtim), .bytes = (uint64_t)st.st_size};
        memcpy(k->name, e->d_name, strlen(e->d_name) + 1);
    }
done:
    closedir(dir);
    return rc;
}

static int by_use(const void *a, const void *b) {
    const copy *x = a, *y = b;
    return (x->used > y->used) - (x->used < y->used);
}

/** Removes a copy unless a process has it open. */
static bool evict(const shard_cache *c, const copy *k) {
    char path[PATH_BYTES];
    bool removed = false;
    if (path_join(path, c->folder, k->name) != OK)
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        removed = unlink(path) == 0;
    close(fd);
    if (removed)
        log_debug("%s: removed from the cache", path);
    return removed;
}

/** One process at a time. The lock is released with *fd. */
static int lock_folder(int *fd, const shard_cache *c) {
    int rc = OK;
    char path[PATH_BYTES];
    TRY(path_join(path, c->folder, "lock"));
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    while (*fd >= 0 && flock(*fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return fail_errno(errno, "cannot lock %s", path);
    if (*fd < 0)
        rc = fail_errno(errno, "cannot write %s", path);
done:
    return rc;
}

int shard_cache_make_room(const shard_cache *c, uint64_t more, const char *part) {
    int rc = OK, lock = -1;
    copy *list = NULL;
    size_t n = 0;
    uint64_t bytes = 0;
    TRY(lock_folder(&lock, c));
    TRY(list_copies(&list, &n, &bytes, c, part));
    if (n > 1)
        qsort(list, n, sizeof *list, by_use);
    for (size_t i = 0; i < n && bytes + more > c->limit; i++)
        bytes -= evict(c, &list[i]) ? list[i].bytes : 0;
    if (bytes + more > c->limit)
        rc = fail(E_FULL,
                  "the cache of shards %s is full: %llu bytes are in use, and data.cache_size is %llu: raise "
                  "data.cache_size",
                  c->folder, (unsigned long long)bytes, (unsigned long long)c->limit);
done:
    if (lock >= 0)
        close(lock);
    free(list);
    return rc;
}
