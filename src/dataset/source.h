/** A container of images, such as a folder of files or WebDataset shards: one table of functions, `source`. dataset.c
 *  tries the containers in the order of its list. Nothing else depends on which container a dataset comes from. */
#ifndef LINNET_DATASET_SOURCE_H
#define LINNET_DATASET_SOURCE_H

#include "base/file.h"
#include "dataset/dataset.h"
#include "dataset/index.h"
#include "dataset/read.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/** Functions of a container. Threads share a dataset: path, bytes, read and advise may run at the same time. */
typedef struct source {
    /** Lists the requested split: creates a dataset (dataset_create) with classes, labels and names in the order that
     *  dataset.h defines. *out remains NULL where the root has no such container.
     *  @return 0, E_NOTFOUND, E_DATA, E_IO, E_NOMEM, E_OPTION */
    int (*list)(dataset **out, const dataset_request *r);

    /** Checks an index that was read from a file (index.h) and sets what the container adds to the dataset. *f are the
     *  stamps that the index contains. NULL: no index is kept. @return 0, E_FORMAT, E_NOMEM */
    int (*check_index)(dataset *d, const file_stamps *f);

    /** The path of image i for messages, unique within the dataset. @return 0, E_IO (too long) */
    int (*path)(char out[PATH_BYTES], const dataset *d, int64_t i);

    /** Size of image i; -1 if its file is absent. */
    int64_t (*bytes)(const dataset *d, int64_t i);

    /** One try of dataset_read; `path` is that of `path` above. */
    int (*read)(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit,
                const char *path);

    /** As dataset_advise. NULL: nothing to do. */
    void (*advise)(const dataset *d, const uint32_t *index, int64_t n);

    /** Releases d->opened. NULL: nothing to do. */
    void (*close)(dataset *d);
} source;

extern const source source_folder, source_shards;

/** An empty dataset of a container. @return 0, E_NOMEM */
int dataset_create(dataset **out, const source *s, const char *root);

/** For `read` of a container: the buffer holds at least n bytes afterwards; what it contained is lost.
 *  @return 0, E_FORMAT (no memory: this image cannot be read here) */
int source_reserve(image_buffer *b, size_t n);
/** E_FORMAT if an image of `size` bytes exceeds `limit` (0: no limit). */
int source_check_limit(const char *path, size_t size, size_t limit);
/** The code for a failed system call on an image: E_FORMAT for a fault of this file (absent, no permission), else
 *  the code of fail_errno (the storage failed, or the process is out of descriptors). `error` is errno. */
int source_fail(int error, const char *path);
/** Waits before the next try: 0.1 s, then twice as long each time. *tries is 0 at first.
 *  @return false, without waiting, after 7 waits (12.7 s) */
bool source_wait(int *tries);
/** stat, retried with source_wait. @return 0 or source_fail */
int source_stat(struct stat *st, const char *path);
/** Reads up to n bytes at `offset`; *got is smaller only at the end of the file. @return 0 or source_fail */
int source_read_at(size_t *got, unsigned char *to, int fd, uint64_t offset, size_t n, const char *path);

#endif
