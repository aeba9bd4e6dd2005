/** The open files of a dataset's shards, and reading of images from them. At most 256 shards are open at a time; each
 * is opened when an image of it is read. Threads share them. */
#ifndef LINNET_DATASET_SHARD_FILES_H
#define LINNET_DATASET_SHARD_FILES_H

#include "base/file.h"
#include "dataset/dataset.h"
#include "dataset/read.h"

#include <pthread.h>
#include <stdbool.h>

#define SHARD_FILES_MAX 256 /* open at a time, unless all are in use; far below the usual limit of 1,024 */

/** A shard's descriptor; -1 while it is closed. */
typedef struct shard_file {
    int fd;
    int users;
    bool failed; /* a read failed: to be closed by its last user */
} shard_file;

/** d->opened of shards. */
typedef struct shard_files {
    pthread_mutex_t lock;
    int n, open_n;
    int hand; /* where the next search for one to close begins, 0 to n - 1 */
    shard_file file[];
} shard_files;

/** Sets d->opened. @return 0, E_NOMEM */
int shard_files_create(dataset *d);

/** `read`, `advise` and `close` of the container (source.h). */
int shard_files_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit,
                     const char *path);
void shard_files_advise(const dataset *d, const uint32_t *index, int64_t n);
void shard_files_close(dataset *d);

#endif
