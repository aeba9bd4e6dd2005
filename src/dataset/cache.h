/** The cache of image folder indexes, in $XDG_CACHE_HOME/linnet or ~/.cache/linnet: one file per image folder, named by
 *  a hash of its absolute path. The cache may be emptied at any time.
 *
 *  A stored index is valid while every folder from which it was made, linked folders included, has the same inode,
 *  mtime and ctime (nanoseconds). Adding, removing or renaming a file or folder changes the times of its parent.
 * Changes to the content of images do not matter, because images are read when they are needed.
 *
 *  An index is not stored in two cases:
 *    - A folder was modified less than 2 s before it was read. A later change could have the same time.
 *    - A link is broken or points to a folder above it. If its target changed, no folder of the tree would change.
 *  Three kinds of changes are not detected:
 *    - the target of a link with the name of an image becomes a folder, and the link itself is unchanged;
 *    - two changes within 2 s, on a file server whose clock differs by more than 2 s;
 *    - a folder with a forged ctime. */
#ifndef LINNET_DATASET_CACHE_H
#define LINNET_DATASET_CACHE_H

#include "dataset/dataset.h"
#include "dataset/index.h"

#include <stdbool.h>
#include <sys/stat.h>

file_stamp folder_stamp_of(const struct stat *st);
/** Whether the index of a folder with that stamp, read just now, may be stored. */
bool dataset_cache_is_settled(const file_stamp *stamp);

/** The file that stores the index of `path`, and its folder (PATH_BYTES of base/file.h each). Neither need exist.
 *  @return 0, E_NOTFOUND (no home), E_IO */
int dataset_cache_file(char *out, char *folder, const char *path);

/** The stored index of the folder `root`, if there is a valid one: then *out is owned by the caller. */
bool dataset_cache_load(dataset **out, const char *root);
/** Stores the index. A failure (no home, no space) is logged at debug level only. */
void dataset_cache_store(const dataset *d, const file_stamps *f);

#endif
