/** Paths in lists that lack the suffix of their file, such as "0a1b2c" for 0a1b2c.jpg. */
#ifndef LINNET_DATASET_LIST_SUFFIX_H
#define LINNET_DATASET_LIST_SUFFIX_H

#include <stdbool.h>

enum { LIST_SUFFIX_BYTES = 8 }; /* the longest suffix and its 0 byte */

/** Finds the suffix, one of DATASET_SUFFIXES in lower or upper case, with which the file below `root` exists. *suffix:
 *  the one to try first, or NULL; on return the one found, "" if the file exists as it is. Static.
 *  @return whether there is such a file */
bool list_suffix_find(const char **suffix, const char *root, const char *path);

#endif
