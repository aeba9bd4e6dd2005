/** The JSON beside and inside shards: _info.json of timm's sets, KEY.json of a sample. */
#ifndef LINNET_DATASET_SHARD_INFO_H
#define LINNET_DATASET_SHARD_INFO_H

#include "base/file.h"

#include <jansson.h>
#include <stdint.h>

/** ROOT/_info.json; *out = NULL where there is none or it is none. json_decref it. @return 0, E_NOMEM, E_IO */
int shard_info_read(json_t **out, const char *root);
/** Samples that a shard should hold, by "shard_lengths" and "filenames" of any of the "splits"; -1: not told. */
int64_t shard_info_length(const json_t *info, const char *shard);
/** "filename" and "label" of a sample's JSON; what is not there is left as it is. */
void shard_info_sample(char filename[PATH_BYTES], int64_t *label, const char *bytes, size_t n);

#endif
