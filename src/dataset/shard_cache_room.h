/** The limit of the folder of copies. */
#ifndef LINNET_DATASET_SHARD_CACHE_ROOM_H
#define LINNET_DATASET_SHARD_CACHE_ROOM_H

#include "dataset/shard_cache.h"

/** Removes copies until `more` bytes fit below the limit: first those that were opened longest ago, none that a process
 *  has open. part: the path of the caller's own incomplete copy, which stays.
 *  @return 0, E_FULL (the other copies are in use), E_IO, E_NOMEM */
int shard_cache_make_room(const shard_cache *c, uint64_t more, const char *part);

#endif
