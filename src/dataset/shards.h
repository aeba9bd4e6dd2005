/** WebDataset shards: tar files in which the members of a sample are adjacent: KEY.jpg (or another image), KEY.cls (the
 *  label in ASCII) and optionally KEY.json. KEY is the path up to the first dot of the base name. timm's sets
 *  (imagenet-1k-wds) have this format too.
 *
 *  The shards of a split are ROOT/SPLIT/X.tar, or those ROOT/X.tar whose name contains the split's name as a word
 * ("val" is also "valid" and "validation", "train" also "training"). If a JSON has "filename": "CLASS/FILE", that is
 * the image's name; else the name is its key and suffix. Classes are named by the folders in "filename" if these are in
 * the order of the labels, else by the labels, with leading zeros. Images are ordered as in an ImageFolder, whichever
 * shard contains them. */
#ifndef LINNET_DATASET_SHARDS_H
#define LINNET_DATASET_SHARDS_H

#include "base/file.h"
#include "dataset/dataset.h"
#include "dataset/index.h"

/** The shards of a split. {0} is empty. */
typedef struct shard_list {
    char root[PATH_BYTES]; /* their folder */
    char split[64];        /* "all" if none is given */
    file_stamps stamps;    /* names and stamps, in byte order of the names */
    size_t n;
} shard_list;

/** n = 0 (no shards) is not an error. Call shard_list_deinit in each case.
 *  @return 0, E_DATA (compressed shards, class folders beside them, a name of two splits), E_IO, E_NOMEM */
int shard_list_find(shard_list *l, const char *root, const char *split);
void shard_list_deinit(shard_list *l);

/** Reads all shards, from header to header. Damaged members, images without a label and duplicates are omitted, with a
 *  warning per shard; lost_n counts what is lost, exactly if "shard_lengths" of an _info.json gives the number. @return
 * 0, E_DATA (no images), E_IO, E_NOMEM */
int shard_index_build(dataset **out, const shard_list *l);

#endif
