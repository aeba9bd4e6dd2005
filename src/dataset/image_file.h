/** For containers in which every image is a file (source.h). */
#ifndef LINNET_DATASET_IMAGE_FILE_H
#define LINNET_DATASET_IMAGE_FILE_H

#include "dataset/dataset.h"
#include "dataset/read.h"

/** `bytes` and `read` of such a container; the file is that of the container's `path`. */
int64_t image_file_bytes(const dataset *d, int64_t i);
int image_file_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit,
                    const char *path);

#endif
