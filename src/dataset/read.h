/** Reading the images of a dataset, in any container. Threads share one dataset. */
#ifndef LINNET_DATASET_READ_H
#define LINNET_DATASET_READ_H

#include "dataset/dataset.h"

/** One thread's memory for the bytes of an image. {0} is empty. */
typedef struct image_buffer {
    unsigned char *bytes;
    size_t capacity;
} image_buffer;

void image_buffer_deinit(image_buffer *b);

/** Reads image i. *bytes points into the buffer and is valid until its next use. In a shard, the tar header before the
 *  image is read too, which detects a shard that was replaced or damaged after the index was made. After an error of
 *  the storage (EIO, ESTALE, ETIMEDOUT ...) the read is retried for 12.7 s. `limit`: most bytes (0: any).
 *  @return 0; E_FORMAT for a fault of this file, such as an absent one; E_IO (the storage fails, too many open
 *  files) or E_NOMEM for errors that would affect other images too */
int dataset_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit);

/** Size of image i; -1 if its file is absent, or if its size cannot be read even after retries. */
int64_t dataset_image_bytes(const dataset *d, int64_t i);

/** Asks the operating system to read ahead the images index[0 .. n), adjacent ones in one request. Errors are
 *  ignored; reading the images will report them. Does nothing for containers without large files. */
void dataset_advise(const dataset *d, const uint32_t *index, int64_t n);

#endif
