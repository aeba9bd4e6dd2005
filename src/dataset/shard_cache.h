/** Uncompressed local copies of shards that cannot be read at random: compressed shards and shards on a server. Each is
 *  downloaded or decompressed once, into a folder that all processes of a host may share. The name of a copy is
 *
 *      FOLDER/SOURCE-VERSION-NAME.tar       SOURCE: hash of its path or URL; VERSION: hash of its time and size, or of
 *                                           the server's ETag
 *
 *  It is written as FOLDER/SOURCE.part under an flock and renamed when it is complete. So one process makes a copy, and
 *  the others wait for it. If all copies together exceed the limit, the ones that were opened longest ago are removed
 *  first. A copy that a process has open has a shared flock and is not removed. The folder may be emptied at any time.
 */
#ifndef LINNET_DATASET_SHARD_CACHE_H
#define LINNET_DATASET_SHARD_CACHE_H

#include "base/file.h"
#include "dataset/index.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct shard_cache {
    char folder[PATH_BYTES];
    uint64_t limit;                     /* bytes of all copies */
    double timeout;                     /* seconds without data from a server until it is given up */
    void (*on_progress)(void *context); /* as in dataset_request */
    void *progress_context;
} shard_cache;

#define SHARD_CACHE_BYTES UINT64_C(100000000000) /* default of the limit */
#define SHARD_CACHE_TIMEOUT 120.0

/** folder: NULL or "" is `shards` in the user's cache (folder_cache). bytes, timeout: 0 is the default. Creates
 * nothing.
 *  @return 0, E_OPTION (no folder is given, and the user has none), E_IO */
int shard_cache_init(shard_cache *c, const char *folder, uint64_t bytes, double timeout);

/** Calls on_progress. */
void shard_cache_progress(const shard_cache *c);

/** Whether a shard is read from a copy. root: a folder or URL. */
bool shard_cache_needed(const char *root, const char *name);

/** Hash of time and size of a compressed shard on this machine: its VERSION. */
uint64_t shard_cache_version(uint64_t modified, uint64_t size);

/** Opens the copy of the shard ROOT/NAME, and makes it first if it is absent. *stamp: `modified` is the version,
 * `changed` the size of the plain shard; 0 if not known yet, then they are set. *made: whether a copy was
 * made. stop: as in fetch. Closing *fd releases the copy.
 *  @return 0; E_DATA (damaged, refused by the server, another version or size than *stamp, larger than the limit);
 * E_FULL (no room: every copy is in use, or the disk is full); E_IO, E_NOMEM, E_STOPPED, E_UNSUPPORTED */
int shard_cache_open_copy(int *fd, file_stamp *stamp, bool *made, const shard_cache *c, const char *root,
                          const char *name, const atomic_bool *stop);

#endif
