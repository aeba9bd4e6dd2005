#define _GNU_SOURCE
#include "dataset/shard_cache.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "dataset/shard_cache_room.h"
#include "dataset/source.h"
#include "dataset/transfer/fetch.h"
#include "dataset/transfer/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 18, STEP = 1 << 24 /* bytes written between two checks of the limit */ };

/** A shard whose copy is wanted. */
typedef struct wanted {
    const shard_cache *cache;
    char origin[PATH_BYTES]; /* its path or URL */
    const char *name;        /* its file name */
    packing kind;
    uint64_t source; /* hash of the origin */
    char part[PATH_BYTES];
    const atomic_bool *stop;
} wanted;

/** A copy that is being written. */
typedef struct writing {
    const wanted *w;
    int fd;
    unpack *unpack;
    uint64_t written, reserved, version;
} writing;

int shard_cache_init(shard_cache *c, const char *folder, uint64_t bytes, double timeout) {
    int rc = OK;
    *c = (shard_cache){.limit = bytes > 0 ? bytes : SHARD_CACHE_BYTES,
                       .timeout = timeout > 0 ? timeout : SHARD_CACHE_TIMEOUT};
    if (folder != NULL && folder[0] != 0)
        return path_format(c->folder, "%s", folder);
    char user[PATH_BYTES];
    if (folder_cache(user) != OK)
        return fail(E_OPTION, "there is no folder for copies of shards: set data.cache_dir, or HOME");
    TRY(path_join(c->folder, user, "shards"));
done:
    return rc;
}

void shard_cache_progress(const shard_cache *c) {
    if (c->on_progress != NULL)
        c->on_progress(c->progress_context);
}

bool shard_cache_needed(const char *root, const char *name) {
    return fetch_is_url(root) || unpack_kind(NULL, name) != PACKED_NONE;
}

uint64_t shard_cache_version(uint64_t modified, uint64_t size) {
    uint64_t h = hash_bytes(hash_bytes(HASH_START, &modified, sizeof modified), &size, sizeof size);
    return h != 0 ? h : 1;
}

static int wanted_init(wanted *w, const shard_cache *c, const char *root, const char *name, const atomic_bool *stop) {
    int rc = OK;
    *w = (wanted){.cache = c, .name = path_name(name), .kind = unpack_kind(NULL, name), .stop = stop};
    TRY(path_join(w->origin, root, name));
    char *real = fetch_is_url(root) ? NULL : realpath(w->origin, NULL);
    const char *key = real != NULL ? real : w->origin;
    w->source = hash_bytes(HASH_START, key, strlen(key));
    free(real);
    TRY(path_format(w->part, "%s/%016llx.part", c->folder, (unsigned long long)w->source));
done:
    return rc;
}

static int copy_path(char path[PATH_BYTES], const wanted *w, uint64_t version) {
    size_t stem = 0;
    unpack_kind(&stem, w->name);
    return path_format(path, "%s/%016llx-%016llx-%.*s.tar", w->cache->folder, (unsigned long long)w->source,
                       (unsigned long long)version, (int)(stem < 100 ? stem : 100), w->name);
}

/** Looks for a copy of any version. *version remains 0 if there is none. */
static int find_version(uint64_t *version, const wanted *w) {
    char prefix[32];
    DIR *dir = opendir(w->cache->folder);
    if (dir == NULL)
        return errno == ENOENT ? OK : fail_errno(errno, "cannot read the folder %s", w->cache->folder);
    int n = snprintf(prefix, sizeof prefix, "%016llx-", (unsigned long long)w->source);
    for (const struct dirent *e = readdir(dir); e != NULL && *version == 0; e = readdir(dir))
        if (strncmp(e->d_name, prefix, (size_t)n) == 0)
            *version = strtoull(e->d_name + n, NULL, 16);
    closedir(dir);
    return OK;
}

/** Locks an open copy against removal. *gone: it was removed before the lock was taken. */
static int hold(bool *gone, uint64_t *size, int fd, const char *path) {
    struct stat st;
    while (flock(fd, LOCK_SH) != 0)
        if (errno != EINTR)
            return fail_errno(errno, "cannot lock %s", path);
    if (fstat(fd, &st) != 0)
        return fail_errno(errno, "cannot read %s", path);
    *gone = st.st_nlink == 0;
    *size = (uint64_t)st.st_size;
    futimens(fd, NULL); /* the time of the last use */
    return OK;
}

/** An error for a shard that is not the one that was indexed. The next start detects a changed file, but asks no
 * server.
 */
static int changed(const wanted *w) {
    if (!fetch_is_url(w->origin))
        return fail(E_DATA, "%s was modified after it was indexed: start again", w->origin);
    return fail(E_DATA, "%s was modified after it was indexed: remove %s/index-* and start again", w->origin,
                w->cache->folder);
}

/** Opens an existing copy; *fd remains -1 if there is none. */
static int open_existing(int *fd, file_stamp *stamp, const wanted *w) {
    int rc = OK, opened = -1;
    char path[PATH_BYTES];
    uint64_t version = stamp->modified, size = 0;
    bool gone = false;
    if (version == 0)
        TRY(find_version(&version, w));
    if (version == 0)
        return OK;
    TRY(copy_path(path, w, version));
    opened = open(path, O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return errno == ENOENT ? OK : fail_errno(errno, "cannot read %s", path);
    TRY(hold(&gone, &size, opened, path));
    if (gone)
        goto done;
    if (stamp->changed != 0 && size != stamp->changed) { /* damaged by a power failure, or by hand */
        TRY(file_remove(path));
        goto done;
    }
    *stamp = (file_stamp){.modified = version, .changed = size};
    *fd = opened;
    opened = -1; /* now owned by the caller */
done:
    if (opened >= 0)
        close(opened);
    return rc;
}

static int write_copy(void *context, const void *bytes, size_t n) {
    int rc = OK;
    writing *x = context;
    const shard_cache *c = x->w->cache;
    if (n > c->limit - x->written)
        return fail(E_DATA, "%s has more than the %llu bytes of data.cache_size: raise data.cache_size", x->w->origin,
                    (unsigned long long)c->limit);
    if (x->written + n > x->reserved) {
        uint64_t more = x->written + n - x->reserved;
        more = more < STEP && STEP < c->limit - x->reserved ? STEP : more;
        TRY(shard_cache_make_room(c, more, x->w->part));
        x->reserved += more;
    }
    shard_cache_progress(c);
    rc = file_write_at(x->fd, x->written, bytes, n, x->w->part);
    if (rc == E_FULL)
        fail_context(rc, "the disk of data.cache_dir (%s) is full: lower data.cache_size or choose another folder",
                     c->folder);
    x->written += n;
done:
    return rc;
}

static int begin_download(void *context, uint64_t size, uint64_t version) {
    writing *x = context;
    x->version = version;
    if (size == FETCH_UNKNOWN || x->w->kind != PACKED_NONE)
        return OK;
    if (size > x->w->cache->limit)
        return fail(E_DATA, "%s has %llu bytes, more than data.cache_size: raise data.cache_size", x->w->origin,
                    (unsigned long long)size);
    x->reserved = size;
    return shard_cache_make_room(x->w->cache, size, x->w->part);
}

static int take_download(void *context, const void *bytes, size_t n) {
    writing *x = context;
    return unpack_bytes(x->unpack, bytes, n);
}

/** Decompresses a file of this machine. */
static int read_local(writing *x) {
    int rc = OK;
    struct stat st;
    unsigned char *bytes = malloc(READ_BYTES);
    int fd = open(x->w->origin, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || bytes == NULL || fstat(fd, &st) != 0) {
        rc = fail_errno(fd < 0 || bytes != NULL ? errno : ENOMEM, "cannot read %s", x->w->origin);
        goto done;
    }
    x->version = shard_cache_version(stamp_nanoseconds(st.st_mtim), (uint64_t)st.st_size);
    for (uint64_t at = 0;;) {
        ssize_t n = file_read_at(fd, at, bytes, READ_BYTES);
        if (n < 0) {
            rc = fail_errno(errno, "cannot read %s at byte %llu", x->w->origin, (unsigned long long)at);
            goto done;
        }
        if (n == 0)
            break;
        if (x->w->stop != NULL && atomic_load(x->w->stop)) {
            rc = fail(E_STOPPED, "decompressing %s was stopped", x->w->origin);
            goto done;
        }
        TRY(unpack_bytes(x->unpack, bytes, (size_t)n));
        at += (uint64_t)n;
    }
done:
    if (fd >= 0)
        close(fd);
    free(bytes);
    return rc;
}

/** Writes the copy into the locked file w->part and gives it its name. */
static int make_copy(int fd, file_stamp *stamp, const wanted *w) {
    int rc = OK;
    char path[PATH_BYTES];
    writing x = {.w = w, .fd = fd};
    const fetch_target target = {.begin = begin_download, .take = take_download, .context = &x};
    TRY(unpack_open(&x.unpack, w->kind, write_copy, &x, w->origin));
    if (ftruncate(fd, 0) != 0) {
        rc = fail_errno(errno, "cannot write %s", w->part);
        goto done;
    }
    log_debug("%s: making a plain copy in %s", w->origin, w->cache->folder);
    rc = fetch_is_url(w->origin) ? fetch(w->origin, w->cache->timeout, w->stop, &target) : read_local(&x);
    TRY(rc);
    TRY(unpack_end(x.unpack));
    if ((stamp->modified != 0 && stamp->modified != x.version) ||
        (stamp->changed != 0 && stamp->changed != x.written)) {
        rc = changed(w);
        goto done;
    }
    TRY(copy_path(path, w, x.version));
    if (fsync(fd) != 0 || rename(w->part, path) != 0) {
        rc = fail_errno(errno, "cannot write %s", path);
        goto done;
    }
    *stamp = (file_stamp){.modified = x.version, .changed = x.written};
done:
    unpack_close(x.unpack);
    return rc;
}

/** Whether the open file still has the name w->part. A finished copy is renamed. *bytes: its size at the last call. */
static bool is_part(int fd, off_t *bytes, const wanted *w) {
    struct stat own, named;
    if (fstat(fd, &own) == 0 && own.st_size != *bytes) {
        *bytes = own.st_size; /* the other process makes progress */
        shard_cache_progress(w->cache);
    }
    return fstat(fd, &own) == 0 && stat(w->part, &named) == 0 && own.st_ino == named.st_ino &&
           own.st_dev == named.st_dev;
}

/** Locks w->part for writing; waits for a process that makes the copy. *fd remains -1 if that has finished or given up.
 */
static int lock_part(int *fd, const wanted *w) {
    const struct timespec pause = {.tv_nsec = 20000000};
    int rc = OK, part = open(w->part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (part < 0)
        return fail_errno(errno, "cannot write %s (data.cache_dir)", w->part);
    off_t bytes = 0;
    while (is_part(part, &bytes, w)) {
        if (flock(part, LOCK_EX | LOCK_NB) == 0) {
            if (is_part(part, &bytes, w)) {
                *fd = part;
                part = -1; /* now owned by the caller */
            }
            break;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            rc = fail_errno(errno, "cannot lock %s", w->part);
            break;
        }
        if (w->stop != NULL && atomic_load(w->stop)) {
            rc = fail(E_STOPPED, "waiting for %s was stopped", w->origin);
            break;
        }
        nanosleep(&pause, NULL);
    }
    if (part >= 0)
        close(part);
    return rc;
}

/** Makes the copy in the locked file `part` and opens it. *fd remains -1 if it is to be looked for again. */
static int make_and_hold(int *fd, int part, file_stamp *stamp, const wanted *w) {
    bool gone = false;
    uint64_t size = 0;
    int rc = make_copy(part, stamp, w);
    if (rc != OK) {
        unlink(w->part); /* while it is locked, no other process writes there */
        close(part);
        return rc;
    }
    rc = hold(&gone, &size, part, w->origin); /* the lock becomes a shared one */
    if (rc != OK || gone)
        close(part);
    else
        *fd = part;
    return rc;
}

int shard_cache_open_copy(int *fd, file_stamp *stamp, bool *made, const shard_cache *c, const char *root,
                          const char *name, const atomic_bool *stop) {
    int rc = OK, part = -1;
    wanted w;
    *fd = -1;
    *made = false;
    TRY(wanted_init(&w, c, root, name, stop));
    for (;;) {
        TRY(open_existing(fd, stamp, &w));
        if (*fd >= 0)
            break;
        TRY(folder_make(c->folder));
        TRY(lock_part(&part, &w));
        if (part < 0)
            continue;
        TRY(open_existing(fd, stamp, &w)); /* another process may have made it just before */
        if (*fd >= 0) {
            unlink(w.part);
            break;
        }
        *made = true;
        int own = part;
        part = -1; /* now owned by make_and_hold */
        TRY(make_and_hold(fd, own, stamp, &w));
        if (*fd >= 0)
            break;
    }
done:
    if (part >= 0)
        close(part);
    return rc;
}
