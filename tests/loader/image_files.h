/** JPEG files in memory for the tests, of every layout that libjpeg can write. */
#ifndef LINNET_TESTS_IMAGE_FILES_H
#define LINNET_TESTS_IMAGE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct jpeg_layout {
    int components; /* 1, 3 (YCbCr) or 4 (CMYK; ycck: as YCCK) */
    int h, v;       /* sampling factors of the first component; the others have 1 (the fourth h, v) */
    bool progressive, arithmetic, separate_scans, ycck;
    int restart; /* MCUs between restart markers; 0: none */
    int quality;
} jpeg_layout;

/** A colourful image with edges and noise, derived from `seed`. The caller frees the result. */
unsigned char *make_jpeg(size_t *n, const jpeg_layout *l, int w, int h, unsigned seed);

#endif
