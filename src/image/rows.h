/** Internal interface of the decoder: one open image at a time, read as rows of RGBX pixels. transform.c uses it;
 *  the codecs (jpeg.c, png.c, ...) implement it. */
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
    size_t taken;     /* bytes of the budget that the open image holds */
    arena whole;      /* the image, for codecs that decode it at once and for decoder_decode_full */
    arena work;       /* filters and rows being resampled */
    int w, h;         /* of the open image */
    bool by_rows;     /* the open image is a JPEG, decoded row by row; else it is complete in `whole`, as RGBX */
    crop_box region;
    int next_row; /* of the region */
};

/** Opens an image and sets w and h, which are within the limits. @return 0 or the errors of transform_decode */
int decoder_open(decoder *d, const image_bytes *in);
/** JPEG only (d->by_rows), between open and begin: decodes the image reduced by 2, 4 or 8. w and h become those of
 *  the reduced image, rounded up: a pixel covers by x by pixels, of which those at the edges may be partly outside. */
void decoder_reduce(decoder *d, int by);
/** Sets the rows and columns to be read. Called once, after open. The region is within the image. */
int decoder_begin(decoder *d, crop_box region);
/** The next row of the region: region.w RGBX pixels, followed by RESAMPLE_MARGIN readable bytes. Valid until the
 *  next call. */
int decoder_row(decoder *d, const uint8_t **row);
/** Closes the image. `complete`: the caller has read its rows, and the rest of the file is checked too, so that
 *  whether a truncated file is detected does not depend on the crop. Otherwise the image is only released. */
int decoder_end(decoder *d, bool complete);

/** Ensures that an arena has `bytes`; its content is lost. Memory far above the need is released.
 *  @return 0, E_FORMAT (out of memory: this image cannot be decoded here) */
int decoder_room(arena *a, size_t bytes);

/** For codecs, once per image: declares that decoding takes `bytes` of memory. Waits while large images of other
 *  decoders leave too little of the budget. @return 0, E_FORMAT (over max_bytes) */
int decoder_take(decoder *d, size_t bytes);

/** For codecs: checks w and h against the limits and sets them. */
int decoder_size(decoder *d, const image_bytes *in, int64_t w, int64_t h);
/** For codecs, after decoder_size: memory for the whole image, h rows of w RGBX pixels. `more`: further bytes that
 *  the codec allocates itself. @return 0, E_FORMAT (the file is too short for such a large image, or out of memory) */
int decoder_whole(decoder *d, const image_bytes *in, size_t more, uint8_t **rgbx);

/** The codecs that decode the whole image at once, into the memory of decoder_whole. */
int png_decode(decoder *d, const image_bytes *in);
int webp_decode(decoder *d, const image_bytes *in);
int tiff_decode(decoder *d, const image_bytes *in);
int bmp_decode(decoder *d, const image_bytes *in);
int netpbm_decode(decoder *d, const image_bytes *in);

#endif
