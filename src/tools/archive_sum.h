/** Verifies the MD5 sum of an archive once; a run that continues does not read the archive again. */
#ifndef LINNET_TOOLS_ARCHIVE_SUM_H
#define LINNET_TOOLS_ARCHIVE_SUM_H

#include "tools/prepare.h"

/** Reads the file and records in STAGING/PHASE that its sum is correct, with its size and modification time.
 *  @return 0, E_FORMAT (wrong sum), E_IO, E_NOTFOUND, E_STOPPED */
int archive_check_sum(const char *path, const char *sum, const char *phase, const char *staging,
                      const prepare_options *o);
/** Removes these records. */
void archive_forget_sums(const char *staging);

#endif
