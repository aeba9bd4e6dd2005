/** Decodes JPEG with libjpeg-turbo, only the requested rows and columns. Only jpeg.c includes libjpeg's decoder.
 *  Colours equal Pillow's convert("RGB"): images with four components are read as inverted CMYK, as Adobe writes it. */
#ifndef LINNET_IMAGE_JPEG_H
#define LINNET_IMAGE_JPEG_H

#include "image/decoder.h"

/** Reads one image at a time; its memory is reused for the next. */
typedef struct jpeg_reader jpeg_reader;

int jpeg_reader_create(jpeg_reader **out);
void jpeg_reader_destroy(jpeg_reader *j);

/** Reads the header. `bytes` and `name` are borrowed until jpeg_reader_close. After a failure of this or of a function
 *  below, call jpeg_reader_close.
 *  @return 0, E_FORMAT, E_UNSUPPORTED (12 bits, lossless, 2 components), E_NOMEM */
int jpeg_reader_open(int *w, int *h, jpeg_reader *j, const unsigned char *bytes, size_t n, const char *name);
/** Between open and begin: decodes the image at 1/by of its size (by: 2, 4 or 8; rounded up), using only the low
 *  frequencies of each block. The region and the rows then refer to the reduced image. */
void jpeg_reader_reduce(jpeg_reader *j, int by);
/** Between open and begin, before memory is allocated. @return 0, E_FORMAT if the file is too short for its image
 *  size */
int jpeg_reader_check(const jpeg_reader *j);
/** Bytes of memory for the coefficients; 0 for an image with one scan, of which libjpeg keeps only a few rows. */
size_t jpeg_reader_memory(const jpeg_reader *j);
/** Starts decoding at row region.y and column region.x. All scans of a progressive file are read here.
 *  @return also E_FORMAT if there are more scans than max_scans */
int jpeg_reader_begin(jpeg_reader *j, crop_box region, const image_limits *limits);
/** The next row: region.w RGBX pixels, valid until the next call. */
int jpeg_reader_row(jpeg_reader *j, const uint8_t **row);
/** Checks that the file also contains the remaining rows, which were not read. */
int jpeg_reader_check_rest(jpeg_reader *j);
/** Releases the image. Valid in any state. */
void jpeg_reader_close(jpeg_reader *j);

#endif
