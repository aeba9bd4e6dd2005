/** The index of a dataset, kept from one start to the next in $XDG_CACHE_HOME/linnet or ~/.cache/linnet (which may be
 *  emptied at any time): one file for each folder, named by a hash of its absolute path.
 *
 *  An index is taken from there when every folder it was read from, linked ones too, has the inode, the time of
 *  modification and the time of change (mtime, ctime; nanoseconds) that it had: files and folders that come, go or are
 *  renamed show in those of their folder. Not kept at all are trees in which
 *    - a folder was modified less than 2 s before it was read: a further change could leave the same time behind;
 *    - a link leads nowhere, or back to a folder above it: what it may lead to later shows in no folder of the tree.
 *  Not noticed: a link with the name of an image whose target becomes a folder (without the link being touched);
 * changes on a file server whose clock is more than 2 s off, within that time after another one; folders whose ctime
 * was forged. What an image holds does not matter here: it is read when it is needed. */
#ifndef LINNET_DATASET_CACHE_H
#define LINNET_DATASET_CACHE_H

#include "dataset/dataset.h"
#include "dataset/index.h"

#include <stdbool.h>
#include <sys/stat.h>

file_stamp folder_stamp_of(const struct stat *st);
/** Whether a folder with that stamp, read just now, may be kept. */
bool dataset_cache_is_settled(const file_stamp *stamp);

/** The name of the file that keeps an index under the name `path` (PATH_BYTES of base/file.h), and its folder, which
 *  may not be there yet. @return 0, E_NOTFOUND (no home), E_IO */
int dataset_cache_file(char *out, char *folder, const char *path);

/** The kept index of the folder `root`, if there is one that is still right. *out is then the caller's. */
bool dataset_cache_load(dataset **out, const char *root);
/** Keeps the index. That this failed (no home, no space) is a debug line and nothing more. */
void dataset_cache_store(const dataset *d, const file_stamps *f);

#endif
