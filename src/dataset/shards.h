/** WebDataset shards: tar files whose members KEY.jpg (or another image), KEY.cls (the label in ASCII) and perhaps
 *  KEY.json stand together; KEY is the path up to the first dot of the base name. Also timm's sets (imagenet-1k-wds).
 *
 *  The shards of a split are ROOT/SPLIT/X.tar, or those ROOT/X.tar that have the split's name as a word in theirs
 *  ("val" is also "valid" and "validation", "train" also "training"). Where a JSON has "filename": "CLASS/FILE", that
 * is the image's name; else it is called by its key. Classes have the names of the folders in "filename" if these are
 * in the labels' order, else the labels themselves, with leading zeros. Images are ordered as an ImageFolder's would
 * be, whichever shards they lie in. */
#ifndef LINNET_DATASET_SHARDS_H
#define LINNET_DATASET_SHARDS_H

#include "base/file.h"
#include "dataset/dataset.h"
#include "dataset/index.h"

/** The shards of a split as they are found. {0} is empty. */
typedef struct shard_list {
    char root[PATH_BYTES]; /* where they lie */
    char split[64];        /* "all" without one */
    file_stamps stamps;    /* names and stamps, in byte order of the names */
    size_t n;
} shard_list;

/** No shards, n = 0, is no error. @return 0, E_DATA (compressed ones, class folders beside
 *  them, a name of two splits), E_IO, E_NOMEM; shard_list_deinit is due */
int shard_list_find(shard_list *l, const char *root, const char *split);
void shard_list_deinit(shard_list *l);

/** Reads all shards, from header to header. Damage, members without a label and duplicates are left out: a line in the
 *  log for each shard that has some, and counted in lost_n. "shard_lengths" of an _info.json tells how many there
 *  should be. @return 0, E_DATA (no images), E_IO, E_NOMEM */
int shard_index_build(dataset **out, const shard_list *l);

#endif
