/** Which shards a split has: those of a folder, or those of a list of names. */
#ifndef LINNET_DATASET_SHARD_LIST_H
#define LINNET_DATASET_SHARD_LIST_H

#include "base/file.h"
#include "base/text.h"
#include "dataset/dataset.h"
#include "dataset/index.h"
#include "dataset/shard_cache.h"

#include <stdbool.h>

/** The shards of a split. {0} is empty. */
typedef struct shard_list {
    char root[PATH_BYTES]; /* their folder or URL; the names are below it */
    char split[64];        /* "all" if none is given */
    bool listed;           /* from a list of names; else all shards of the folder */
    bool copied;           /* some are read from plain copies (shard_cache.h) */
    const char *image_key; /* borrowed; "": none */
    int64_t window;        /* as in dataset_request */
    text label;            /* what an index of these shards belongs to: split, image key, list */
    shard_cache cache;     /* set if `listed` or `copied` */
    /* names and stamps, in byte order of the names without their suffix. A plain shard: st_mtim and size. Otherwise as
     * in shard_cache_open_copy */
    file_stamps stamps;
    size_t n;
} shard_list;

/** n = 0 (no shards) is not an error. Call shard_list_deinit in each case.
 *  @return 0, E_DATA (class folders beside the shards, a name of two splits, a shard twice, xz or bzip2), E_NOTFOUND,
 *  E_OPTION (a malformed list), E_IO, E_NOMEM */
int shard_list_find(shard_list *l, const dataset_request *r);
void shard_list_deinit(shard_list *l);

/** Whether `root` itself contains shards of the split "train" or "val", by their names. */
bool shard_list_has(const char *root, const char *split);

/** The name of shard i. */
const char *shard_list_name(const shard_list *l, size_t i);

/** Whether copies of `bytes` in all fit into the cache. @return 0, E_DATA (says what to do) */
int shard_list_check_room(const shard_list *l, uint64_t bytes);

/** Opens shard i, or its copy, and sets its stamp. @return 0, or as shard_cache_open_copy */
int shard_list_open(int *fd, bool *made, shard_list *l, size_t i);

#endif
