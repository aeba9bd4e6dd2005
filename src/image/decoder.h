/** Decodes image files in memory to pixels: JPEG, PNG, WebP, TIFF, BMP and PNM, recognised by their first bytes. rows.h
 *  describes how rows are read. */
#ifndef LINNET_IMAGE_DECODER_H
#define LINNET_IMAGE_DECODER_H

#include <stddef.h>
#include <stdint.h>

/** Limits of one image. An image beyond them is refused (E_FORMAT) before memory or time is spent. */
typedef struct image_limits {
    int64_t max_pixels; /* width * height; 178,956,970 is Pillow's bomb limit */
    int max_scans;      /* of a progressive JPEG */
    size_t max_file_bytes;
    size_t max_bytes; /* of memory that decoding takes */
} image_limits;

image_limits image_limits_default(void);

/** A crop in whole pixels of the original. */
typedef struct crop_box {
    int x, y, w, h;
} crop_box;

/** One worker's decoder and scratch memory, kept from image to image. What a very large image took is released after
 * it; such images of all decoders share one budget (memory_budget.h). */
typedef struct decoder decoder;

int decoder_create(decoder **out, const image_limits *limits);
void decoder_destroy(decoder *d);

/** The usual suffix (".jpg") of the format that the first bytes show; NULL for an unknown or unsupported format. */
const char *decoder_suffix(const unsigned char *bytes, size_t n);

/** The whole image as RGB, w x h x 3, into the decoder's scratch (valid until its next use): preview, tests. */
int transform_decode_full(const uint8_t **pixels, int *w, int *h, decoder *d, const unsigned char *bytes, size_t n,
                          const char *name);

#endif
