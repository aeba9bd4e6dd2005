/** The open files of a dataset's shards, and reading images from them. At most 256 shards are open at a time; a
 *  shard is opened when one of its images is read. Then the file that was used longest ago is closed. A shard that is
 *  read from a copy (shard_cache.h) is downloaded or decompressed when it is opened and has no copy; a thread does this
 *  in advance for the images of `advise`. Threads share the files. */
#ifndef LINNET_DATASET_SHARD_FILES_H
#define LINNET_DATASET_SHARD_FILES_H

#include "base/file.h"
#include "dataset/dataset.h"
#include "dataset/read.h"
#include "dataset/shard_list.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define SHARD_FILES_MAX 256 /* open at a time, unless all are in use; far below the usual limit of 1,024 */

/** A shard's descriptor; -1 while it is closed. */
typedef struct shard_file {
    int fd;
    int users;
    bool failed;   /* a read failed: the last user closes the file */
    bool opened;   /* before */
    bool queued;   /* for the thread that opens files in advance */
    uint64_t used; /* shard_files.clock at the last use */
} shard_file;

/** The type of d->opened for shards. */
typedef struct shard_files {
    pthread_mutex_t lock;
    int n, open_n, open_max;
    uint64_t clock; /* counts uses */
    bool warned;    /* that a copy was removed */
    /* of shards that are read from copies, else NULL and unused */
    file_stamp *stamp; /* (n) */
    shard_cache cache;
    atomic_bool stop; /* ends downloads */
    uint32_t *queue;  /* (n) shards to open in advance, a ring */
    int queue_first, queue_n;
    pthread_t thread;
    pthread_cond_t wake;
    shard_file file[];
} shard_files;

/** Sets d->opened. open_max: most files that are open at a time, unless all are in use.
 *  @return 0, E_NOMEM, E_IO (no thread) */
int shard_files_create(dataset *d, const shard_list *l, int open_max);

/** `read`, `advise` and `close` of the container (source.h). */
int shard_files_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit,
                     const char *path);
void shard_files_advise(const dataset *d, const uint32_t *index, int64_t n);
void shard_files_close(dataset *d);

#endif
