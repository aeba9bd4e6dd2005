/** Files: whole reads, atomic writes, folders, locks. Every error message contains the path. */
#ifndef LINNET_BASE_FILE_H
#define LINNET_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PATH_BYTES 4096

/** pread and pwrite that continue after signals and short counts: fewer bytes only at the end of the file or after an
 *  error. @return bytes read, or -1 and errno; 0, E_FULL or E_IO ("cannot write `path`"; part of it may be written) */
ssize_t file_read_at(int fd, uint64_t offset, void *out, size_t n);
int file_write_at(int fd, uint64_t offset, const void *bytes, size_t n, const char *path);

/** Reads a whole file into malloc'd memory with a terminating 0 that is not counted.
 *  `limit`: largest size accepted (0: none). @return 0, E_NOTFOUND, E_IO, E_NOMEM, E_FORMAT (over the limit) */
int file_read(unsigned char **out, size_t *out_n, const char *path, size_t limit);

/** Joins into `out`, with exactly one '/' between. @return 0 or E_IO (too long) */
int path_join(char out[PATH_BYTES], const char *folder, const char *name);
/** printf into a path buffer. @return 0 or E_IO (too long) */
int path_format(char out[PATH_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The part after the last '/'; points into `path`. */
const char *path_name(const char *path);
/** Whether a relative name of n bytes stays below its folder: not empty, not absolute, no part is "..". */
bool path_stays_below(const char *name, size_t n);

/** mkdir -p. */
int folder_make(const char *path);
/** $XDG_CACHE_HOME/linnet, or ~/.cache/linnet; relative paths are ignored, as the XDG specification requires.
 *  @return 0, E_NOTFOUND (neither), E_IO (too long) */
int folder_cache(char out[PATH_BYTES]);
bool file_exists(const char *path);
bool folder_exists(const char *path);
/** Removes a file; a missing file is not an error. */
int file_remove(const char *path);

/** Atomic writing: the data goes to a temporary file, then fsync, rename, fsync of the folder. One writer per name. */
typedef struct atomic_file {
    int fd; /* -1: closed */
    char path[PATH_BYTES];
    char temporary[PATH_BYTES];
    uint64_t written; /* bytes so far */
} atomic_file;

int atomic_open(atomic_file *f, const char *path);
int atomic_write(atomic_file *f, const void *bytes, size_t n);
/** fsync and rename: afterwards the file has its final name. After an error the old file is unchanged and the temporary
 *  file is removed. */
int atomic_commit(atomic_file *f);
/** Removes the temporary file. Does nothing after commit. */
void atomic_abort(atomic_file *f);

/** open + write + commit. */
int file_write_atomic(const char *path, const void *bytes, size_t n);

/** Takes an exclusive advisory lock on a file, which is created if absent and contains "pid host". @return 0, E_LOCKED
 * (the message has the holder), E_IO. Close *fd to release the lock. */
int lock_take(int *fd, const char *path);

/** Monotonic seconds. */
double clock_seconds(void);
/** Seconds since 1970. */
double clock_wall(void);

#endif
