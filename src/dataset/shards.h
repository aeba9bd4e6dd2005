/** WebDataset shards: tar files in which the members of a sample are adjacent: KEY.jpg (or another image), KEY.cls (the
 *  label in ASCII) and optionally KEY.json. KEY is the path up to the first dot of the base name. timm's sets
 *  (imagenet-1k-wds) have this format too.
 *
 *  The shards of a split are X.tar in its folder (layout_folder), or those ROOT/X.tar whose name contains the
 *  split's name as a word ("val" is also "valid" and "validation", "train" also "training"), or those of a list. They
 * may be compressed, or on a server: then they are read from local copies (shard_cache.h). If a JSON has "filename":
 * "CLASS/FILE", that is the image's name; else the name is its key and suffix. Classes are named by the folders in
 * "filename" if these are in the order of the labels, else by the labels: names, or numbers with leading zeros. Images
 * are ordered as in an ImageFolder, whichever shard contains them. */
#ifndef LINNET_DATASET_SHARDS_H
#define LINNET_DATASET_SHARDS_H

#include "dataset/dataset.h"
#include "dataset/shard_list.h"

/** The libraries that this build lacks, and what cannot be read without them, such as " libzstd (.tar.zst)"; "": none.
 */
const char *shards_missing(void);

/** Reads all shards, from header to header. Damaged members, images without a label and duplicates are omitted, with a
 *  warning per shard; lost_n counts what is lost, exactly if "shard_lengths" of an _info.json gives the number. Sets
 *  the stamps of shards that are read from copies.
 *  @return 0, E_DATA (no images, several images in a sample, no room for copies, a damaged compressed shard, an error
 * of the server), E_FULL, E_IO, E_NOMEM */
int shard_index_build(dataset **out, shard_list *l);

#endif
