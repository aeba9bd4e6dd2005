/** Files: whole reads, atomic writes, folders, locks. Every error message contains the path. */
#ifndef LINNET_BASE_FILE_H
#define LINNET_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PATH_BYTES 4096

/** pread and pwrite that continue after signals and partial transfers. file_read_at returns fewer bytes only at the end
 *  of the file or after an error.
 *  @return file_read_at: bytes read, or -1 with errno set; file_write_at: 0, E_FULL or E_IO ("cannot write `path`";
 *  part of the data may have been written) */
ssize_t file_read_at(int fd, uint64_t offset, void *out, size_t n);
int file_write_at(int fd, uint64_t offset, const void *bytes, size_t n, const char *path);

/** Reads a whole file into malloc'd memory and appends a 0 byte, which *out_n does not count.
 *  `limit`: largest size accepted (0: no limit). @return 0, E_NOTFOUND, E_IO, E_NOMEM, E_FORMAT (over the limit) */
int file_read(unsigned char **out, size_t *out_n, const char *path, size_t limit);

/** Joins two paths with exactly one '/' between them. @return 0 or E_IO (too long) */
int path_join(char out[PATH_BYTES], const char *folder, const char *name);
/** printf into a path buffer. @return 0 or E_IO (too long) */
int path_format(char out[PATH_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The path of `relative` ("../share/x"), seen from the folder of the running program.
 *  @return 0 or E_IO (too long, or no /proc) */
int path_from_program(char out[PATH_BYTES], const char *relative);

/** The part after the last '/'; points into `path`. */
const char *path_name(const char *path);
/** Whether a relative name of n bytes stays inside its folder: it is not empty, not absolute, and no component is
 *  "..". */
bool path_stays_below(const char *name, size_t n);

/** mkdir -p. @return 0, E_IO (also if a file has this name), E_FULL, E_NOTFOUND, E_NOMEM */
int folder_make(const char *path);
/** $XDG_CACHE_HOME/linnet, or ~/.cache/linnet; relative paths are ignored, as the XDG specification requires.
 *  @return 0, E_NOTFOUND (neither), E_IO (too long) */
int folder_cache(char out[PATH_BYTES]);
bool file_exists(const char *path);
/** Bytes that may still be written to the file system of an existing `path`; UINT64_MAX if the file system reports no
 * size.
 *  @return 0, E_NOTFOUND, E_IO */
int disk_free(uint64_t *bytes, const char *path);
bool folder_exists(const char *path);
/** Removes a file; a missing file is not an error. @return 0, E_IO */
int file_remove(const char *path);

/** Atomic writing: the data is written to a temporary file, then fsync, rename, fsync of the folder. At most one
 *  writer per name at a time. atomic_open, _write and _commit return 0, E_IO or E_FULL. Call atomic_abort after an
 *  error. */
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

/** Takes an exclusive advisory lock on a file. The file is created if absent and contains "pid host". @return 0,
 *  E_LOCKED (the message names the holder), E_IO. Close *fd to release the lock. */
int lock_take(int *fd, const char *path);

/** Monotonic seconds. */
double clock_seconds(void);
/** Seconds since 1970. */
double clock_wall(void);

#endif
