/** zlib and gzip streams, whole. */
#ifndef LINNET_TOOLS_UNZIP_H
#define LINNET_TOOLS_UNZIP_H

#include <stddef.h>

/** Unpacks a stream of either kind into malloc'd memory. @return 0, E_FORMAT (damaged, or over `limit`), E_NOMEM */
int unzip(unsigned char **out, size_t *out_n, const unsigned char *bytes, size_t n, size_t limit);

#endif
