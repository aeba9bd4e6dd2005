/** A dataset's index as bytes, for cache.c; with the folders it was read from and what shows that one changed.
 *  In the machine's own byte order, one after the other:
 *
 *      header         104 bytes: magic, version, byte order, length, checksum of the rest, sizes of what follows
 *      path           the absolute path of the dataset's folder, 0; of shards their split
 *      stamps         (folder_n) folder_stamp
 *      folder names   (folder_n) "CLASS/sub", 0; the first is "", the dataset's folder itself. Of shards: their files
 *      class names    (class_n) "CLASS", 0; in byte order
 *      class images   (class_n) int64, each at least 1
 *      image names    (image_n) "CLASS/sub/file.jpg", 0; class by class
 *      places         (place_n) image_place; shards: place_n = image_n, else 0 */
#ifndef LINNET_DATASET_INDEX_H
#define LINNET_DATASET_INDEX_H

#include "base/text.h"
#include "dataset/dataset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define DATASET_INDEX_HEADER 104 /* bytes */

typedef struct folder_stamp {
    uint64_t inode;             /* of a shard, which may be copied: 0 */
    uint64_t modified, changed; /* st_mtim, st_ctim: nanoseconds since 1970, modulo 2^64; of a shard the second is its
                                   size */
} folder_stamp;

/** The folders of a dataset, links followed. {0} is empty. */
typedef struct folder_stamps {
    folder_stamp *stamp; /* (n) */
    size_t n, capacity;
    text names; /* (n) paths below the dataset's folder, each ended by 0 */
} folder_stamps;

folder_stamp folder_stamp_of(const struct stat *st);
folder_stamp shard_stamp_of(const struct stat *st);
/** @return 0, E_NOMEM */
int folder_stamps_add(folder_stamps *f, const char *name, folder_stamp stamp);
void folder_stamps_deinit(folder_stamps *f);

/** `path` is the absolute one. Replaces what `out` held. @return 0, E_NOMEM */
int dataset_index_encode(text *out, const dataset *d, const folder_stamps *f, const char *path);

/** Reads bytes from anywhere: nothing in them is trusted. *out is a new dataset with d->root = root; *f is empty
 * before. Whether the folders still are as stamped is the caller's to find out.
 *  @return 0, E_FORMAT (no index, another version or byte order, damaged, of another path), E_NOMEM; *f is due to
 *  folder_stamps_deinit in any case */
int dataset_index_decode(dataset **out, folder_stamps *f, const unsigned char *bytes, size_t n, const char *path,
                         const char *root);

/** Sets length and checksum of an encoded index that was changed: for tests and fuzzing. n: at least a header. */
void dataset_index_seal(unsigned char *bytes, size_t n);

#endif
