/** JPEG encoding, for the demo dataset and contact sheets. */
#ifndef LINNET_IMAGE_JPEG_WRITE_H
#define LINNET_IMAGE_JPEG_WRITE_H

#include <stdint.h>

/** Encodes RGB pixels (h, w, 3) into *bytes (malloc'd, also when it fails; the caller frees it).
 *  @param quality 1..100. @return 0, E_NOMEM */
int jpeg_encode(unsigned char **bytes, unsigned long *n, const uint8_t *pixels, int w, int h, int quality);

#endif
