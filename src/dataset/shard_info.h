/** JSON of shards: _info.json of timm's sets, KEY.json of a sample. */
#ifndef LINNET_DATASET_SHARD_INFO_H
#define LINNET_DATASET_SHARD_INFO_H

#include "base/file.h"

#include <jansson.h>
#include <stdint.h>

/** Reads ROOT/_info.json; *out = NULL if it is absent or malformed. The caller calls json_decref. @return 0, E_NOMEM,
 *  E_IO */
int shard_info_read(json_t **out, const char *root);
/** Number of samples of a shard according to "shard_lengths" and "filenames" of the "splits"; -1: not given. */
int64_t shard_info_length(const json_t *info, const char *shard);
/** "filename" and "label" of a sample's JSON; an absent field, or malformed JSON, leaves its output unchanged.
 *  @return 0, E_NOMEM */
int shard_info_sample(char filename[PATH_BYTES], int64_t *label, const char *bytes, size_t n);

#endif
