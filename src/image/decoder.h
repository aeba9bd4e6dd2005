/** Decodes image files in memory to pixels, as Pillow 13 does: JPEG, PNG, WebP (of an animation the first frame), TIFF
 *  (first page), BMP and PNM, recognised by their first bytes. rows.h describes how rows are read. */
#ifndef LINNET_IMAGE_DECODER_H
#define LINNET_IMAGE_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Limits of one image. An image that exceeds them is refused (E_FORMAT) before memory or time is spent on it. */
typedef struct image_limits {
    int64_t max_pixels; /* width * height; 178,956,970 is Pillow's bomb limit */
    int max_scans;      /* of a progressive JPEG */
    size_t max_file_bytes;
    size_t max_bytes; /* memory that decoding needs */
} image_limits;

image_limits image_limits_default(void);

/** A crop in whole pixels of the original. */
typedef struct crop_box {
    int x, y, w, h;
} crop_box;

/** One worker's decoder and its working memory, which is reused for the next image. Memory that only a very large
 *  image needs is released after that image; the large images of all decoders share one budget (memory_budget.h). */
typedef struct decoder decoder;

int decoder_create(decoder **out, const image_limits *limits);
void decoder_destroy(decoder *d);

/** The suffixes whose library this build lacks, each after a space: " .png .webp"; "": none. */
const char *decoder_missing(void);

/** The usual suffix (".jpg") of the format that the first bytes indicate; NULL if it is unknown or unsupported. */
const char *decoder_suffix(const unsigned char *bytes, size_t n);
/** Whether `suffix` (".JPG", in any case) is one of the format that the first bytes show. */
bool decoder_has_suffix(const unsigned char *bytes, size_t n, const char *suffix);

/** The whole image as RGB (h, w, 3) in the decoder's working memory, valid until its next use; for previews and
 *  tests. */
int decoder_decode_full(const uint8_t **pixels, int *w, int *h, decoder *d, const unsigned char *bytes, size_t n,
                        const char *name);

#endif
