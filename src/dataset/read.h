/** The bytes of a dataset's images, whether they are files of their own or lie in shards. Threads share one dataset. */
#ifndef LINNET_DATASET_READ_H
#define LINNET_DATASET_READ_H

#include "dataset/dataset.h"

/** One thread's memory for an image; only grows. {0} is empty. */
typedef struct image_buffer {
    unsigned char *bytes;
    size_t capacity;
} image_buffer;

void image_buffer_deinit(image_buffer *b);

/** Reads image i. *bytes points into the buffer: valid until its next use. From a shard, the tar header before the
 *  image is read with it: a shard that was replaced or damaged since the index was made is found out here.
 *  `limit`: most bytes (0: any). @return 0; E_FORMAT for what is the file's own fault, one that is gone included; else
 *  what would befall other images, too: E_IO (too many open files), E_NOMEM */
int dataset_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit);

/** Size of image i; -1 when its file is not there. */
int64_t dataset_image_bytes(const dataset *d, int64_t i);

/** Asks the system to read ahead the images index[0 .. n), those that lie side by side in one go. Shards only; what
 *  fails is left to the reading. */
void dataset_advise(const dataset *d, const uint32_t *index, int64_t n);

#endif
