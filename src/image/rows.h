/** Internal interface of the decoder: one open image at a time, read as rows of RGBX pixels. transform.c uses it; the
 * codecs (jpeg.c, png.c, ...) implement it. */
#ifndef LINNET_IMAGE_ROWS_H
#define LINNET_IMAGE_ROWS_H

#include "base/memory.h"
#include "image/decoder.h"
#include "image/jpeg.h"
#include "image/resample.h"

#include <stdbool.h>

/** The bytes of an image file. Borrowed while the image is open. */
typedef struct image_bytes {
    const unsigned char *bytes;
    size_t n;
    const char *name; /* for messages */
} image_bytes;

struct decoder {
    image_limits limits;
    const resample_kernels *kernels;
    jpeg_reader *jpeg;
    const char *name; /* of the open image */
    size_t taken;     /* bytes of the budget that the open image has */
    arena whole;      /* codecs that decode all at once, and transform_decode_full: the image */
    arena work;       /* filters and rows in flight */
    int w, h;         /* of the open image */
    bool by_rows;     /* open image: JPEG, decoded as it is asked for; else it lies in `whole`, RGBX */
    crop_box region;
    int next_row; /* of the region */
};

/** Opens an image and sets w and h, which are within the limits. @return 0 or what transform_decode returns */
int decoder_open(decoder *d, const image_bytes *in);
/** JPEG only (d->by_rows), between open and begin: decodes the image reduced by 2, 4 or 8. w and h become those of the
 *  reduced image, rounded up: a pixel covers by x by pixels, the last ones partly beyond the edge. */
void decoder_reduce(decoder *d, int by);
/** Sets the rows and columns that will be read; once, after open. The region is within the image. */
int decoder_begin(decoder *d, crop_box region);
/** The next row of the region: region.w RGBX pixels, RESAMPLE_MARGIN readable bytes behind. Valid until the next. */
int decoder_row(decoder *d, const uint8_t **row);
/** Closes the image. `complete`: the caller has read its rows; a truncated file is then still detected, so that the
 *  result for a file does not depend on the crop. Else the image is only released. */
int decoder_end(decoder *d, bool complete);

/** Makes room for `bytes` in an arena; its content is lost. Memory far above the need is released.
 *  @return 0, E_FORMAT (no memory: this image cannot be decoded here) */
int decoder_room(arena *a, size_t bytes);

/** For codecs, once per image: decoding takes `bytes` of memory. Waits while large images of other decoders leave too
 *  little of the budget. @return 0, E_FORMAT (over max_bytes) */
int decoder_take(decoder *d, size_t bytes);

/** For codecs: sets w and h after checking them against the limits. */
int decoder_size(decoder *d, const image_bytes *in, int64_t w, int64_t h);
/** For codecs: the whole image's memory, h rows of w RGBX pixels, after decoder_size. `more`: bytes that the codec
 * takes besides. @return 0, E_FORMAT (a large image from a file too short to be one, too much memory) */
int decoder_whole(decoder *d, const image_bytes *in, size_t more, uint8_t **rgbx);

/** The codecs that decode the whole image at once, into decoder_whole. */
int png_decode(decoder *d, const image_bytes *in);
int webp_decode(decoder *d, const image_bytes *in);
int tiff_decode(decoder *d, const image_bytes *in);
int bmp_decode(decoder *d, const image_bytes *in);
int netpbm_decode(decoder *d, const image_bytes *in);

#endif
