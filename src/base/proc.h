/** Reading the text files of /proc and /sys. */
#ifndef LINNET_BASE_PROC_H
#define LINNET_BASE_PROC_H

#include "base/text.h"

/** The whole file `root` + `path` in `buffer`, or NULL. */
const char *proc_text(text *buffer, const char *root, const char *path);
/** The integer after `key` at the start of a line ("MemTotal:", "active_file "); NaN if there is none. `lines` may be
 *  NULL. */
double proc_value(const char *lines, const char *key);

#endif
