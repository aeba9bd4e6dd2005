/** The index of an image folder, stored from one start to the next in $XDG_CACHE_HOME/linnet or ~/.cache/linnet, which
 *  may be emptied at any time: one file per folder, named by a hash of its absolute path.
 *
 *  A stored index is used if every folder that it was made from, linked folders included, has the same inode, mtime and
 *  ctime (nanoseconds): adding, removing or renaming files and folders changes those of their folder. An index is not
 *  stored if
 *    - a folder was modified less than 2 s before it was read: a further change could leave the same time;
 *    - a link is broken or points to a folder above it: its later target would show in no folder of the tree.
 *  Not detected: a link with the name of an image whose target becomes a folder (without the link being changed);
 *  changes on a file server whose clock is off by more than 2 s, within that time after another change; folders with a
 *  forged ctime. The content of images does not matter here: it is read when it is needed. */
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

/** The stored index of the folder `root`, if there is a valid one: *out is then the caller's. */
bool dataset_cache_load(dataset **out, const char *root);
/** Stores the index. A failure (no home, no space) is logged at debug level only. */
void dataset_cache_store(const dataset *d, const file_stamps *f);

#endif
