/** Comparison of images in shards while an index is built. */
#ifndef LINNET_DATASET_SHARD_BYTES_H
#define LINNET_DATASET_SHARD_BYTES_H

#include "dataset/dataset.h"
#include "dataset/shards.h"

/** Compares the bytes of two images of the listed shards. @return 0, E_IO, E_NOMEM */
int shard_same_bytes(bool *same, shard_list *l, const image_location *x, const image_location *y);

#endif
