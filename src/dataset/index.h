/** A dataset's index as bytes: the content of the cache's files and of the shards' index files. It also contains the
 *  files and folders from which it was made, each with a stamp by which a change is detected. Layout, in the machine's
 *  byte order:
 *
 *      header         104 bytes: magic, version, byte order, length, checksum of the rest, sizes of the parts below
 *      path           what the index belongs to, 0: the absolute path of a folder; of shards the split
 *      stamps         (stamp_n) file_stamp
 *      stamp names    (stamp_n) name below the dataset's root, 0: folders ("" is the root itself), or shards
 *      class names    (class_n) "CLASS", 0; in byte order
 *      class images   (class_n) int64, each at least 1
 *      image names    (image_n) "CLASS/sub/file.jpg", 0; class by class
 *      locations      (location_n) image_location; location_n = image_n, or 0 if every image is a file */
#ifndef LINNET_DATASET_INDEX_H
#define LINNET_DATASET_INDEX_H

#include "base/text.h"
#include "dataset/dataset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define DATASET_INDEX_HEADER 104 /* bytes */

/** State of a file or folder when the index was made. The container chooses the values. */
typedef struct file_stamp {
    uint64_t inode;             /* 0 for a file that may be copied */
    uint64_t modified, changed; /* folder: st_mtim and st_ctim in nanoseconds since 1970, modulo 2^64. Shard: st_mtim
                                   and the size in bytes */
} file_stamp;

/** Stamps in the order in which they were added. {0} is empty. */
typedef struct file_stamps {
    file_stamp *stamp; /* (n) */
    size_t n, capacity;
    text names; /* (n) paths below the dataset's root, each ended by 0 */
} file_stamps;

uint64_t stamp_nanoseconds(struct timespec t);
/** @return 0, E_NOMEM */
int file_stamps_add(file_stamps *f, const char *name, file_stamp stamp);
void file_stamps_deinit(file_stamps *f);

/** `path`: what the index belongs to. Replaces the content of `out`. @return 0, E_NOMEM */
int dataset_index_encode(text *out, const dataset *d, const file_stamps *f, const char *path);

/** Reads untrusted bytes. *out is a new dataset of the container `s` with d->root = root; *f is empty before. The
 * caller compares the stamps with the files.
 *  @return 0, E_FORMAT (no index, another version or byte order, damaged, of another path or container), E_NOMEM; call
 *  file_stamps_deinit on *f in each case */
int dataset_index_decode(dataset **out, file_stamps *f, const struct source *s, const unsigned char *bytes, size_t n,
                         const char *path, const char *root);

/** Sets length and checksum of an encoded index that was modified: for tests and fuzzing. n: at least a header. */
void dataset_index_seal(unsigned char *bytes, size_t n);

#endif
