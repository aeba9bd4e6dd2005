/** The MD5 sum of an archive, told apart from a damaged download once; a continued run does not read it again. */
#ifndef LINNET_TOOLS_ARCHIVE_SUM_H
#define LINNET_TOOLS_ARCHIVE_SUM_H

#include "tools/prepare.h"

/** Reads the file, and notes in STAGING/PHASE that its sum was right, with its size and time.
 *  @return 0, E_FORMAT (another sum), E_IO, E_NOTFOUND, E_STOPPED */
int archive_check_sum(const char *path, const char *sum, const char *phase, const char *staging,
                      const prepare_options *o);
/** Removes the notes. */
void archive_forget_sums(const char *staging);

#endif
