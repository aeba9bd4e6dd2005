/** The names of shards of a split, before they are looked at. */
#ifndef LINNET_DATASET_SHARD_NAMES_H
#define LINNET_DATASET_SHARD_NAMES_H

#include "base/file.h"

#include <stddef.h>

typedef struct shard_names {
    char **name; /* (n) of the shards of the split, sorted; below a folder or URL */
    size_t n;
    size_t unassigned_n;        /* shards that belong to no split ... */
    char first_unassigned[256]; /* ... and the first of them */
} shard_names;

/** The shards of the folder `root` itself. split: "train" or "val" selects those whose name contains it as a word; "":
 *  all. Call shard_names_deinit in each case. @return 0, E_DATA, E_IO, E_NOMEM */
int shard_names_of_folder(shard_names *s, const char *root, const char *split);
/** The shards of a list (brace.h). root: the folder or URL before the first brace; the names are below it. The last
 *  part of a path that contains a word of a split decides. @return 0, E_DATA, E_OPTION, E_IO, E_NOMEM */
int shard_names_of_list(shard_names *s, char root[PATH_BYTES], const char *list, const char *split);
void shard_names_deinit(shard_names *s);

#endif
