/** Files and folders that operating systems and tools leave in datasets, such as __MACOSX and .DS_Store. They are
 *  neither classes nor images. */
#ifndef LINNET_DATASET_CLUTTER_H
#define LINNET_DATASET_CLUTTER_H

#include <stdbool.h>
#include <stdint.h>

enum { CLUTTER_KINDS = 16, CLUTTER_TEXT = 512 };

/** Number of entries of each kind. {0} is empty. */
typedef struct clutter {
    int64_t n[CLUTTER_KINDS];
} clutter;

/** Whether a folder, or a file, of this name (without a path) is clutter. */
bool clutter_is_folder(const char *name);
bool clutter_is_file(const char *name);
/** The same; counts the entry if it is clutter. */
bool clutter_count(clutter *c, const char *name, bool folder);
/** "2 __MACOSX, 14 ._*, 1 .DS_Store"; "" if there is none. */
const char *clutter_text(char out[CLUTTER_TEXT], const clutter *c);
/** Logs one line that names what is not read below `path`; nothing if there is none. */
void clutter_log(const clutter *c, const char *path);

#endif
