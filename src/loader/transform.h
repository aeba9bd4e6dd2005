/** From the bytes of an image file to pixels of a fixed size, as torchvision's recipe does it, to the byte:
 *    train: RandomResizedCrop (crop, then Pillow's bilinear resize), random horizontal flip, augment.h,
 *           erase.h
 *    val:   shorter side to `resize` (the other int(resize * long / short)), Pillow's bilinear, CenterCrop `size`
 *  The decoder is chosen by magic bytes. Only the rows and columns that the crop needs are decoded and resampled.
 *  The exception is fast_decode, which is for training's crops alone: a JPEG whose crop shrinks by 2 or more in both
 *  directions is decoded at 1/2, 1/4 or 1/8, the least that is still as large as the output. The crop's edges stay
 *  where they were, in fractions of a reduced pixel; the pixels are near to the recipe's, not equal (docs/numerics.md).
 */
#ifndef LINNET_LOADER_TRANSFORM_H
#define LINNET_LOADER_TRANSFORM_H

#include "base/random.h"
#include "image/decoder.h"
#include "loader/augment.h"
#include "loader/erase.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct transform {
    bool training;        /* crop and flip at random; else Resize + CenterCrop */
    bool augment;         /* training only: false takes the val path (Resize + CenterCrop) for training images */
    int size;             /* output is size x size */
    int resize;           /* val: shorter side before the crop */
    double scale[2];      /* train: area fraction, 0.08..1 */
    double ratio[2];      /* train: aspect, 3/4..4/3, log-uniform */
    double flip;          /* train: probability */
    augment auto_augment; /* train: after the flip */
    erase erase;          /* train: last */
    bool fast_decode;     /* train: see above; the val path, also with augment = false, never looks at it */
} transform;

/** The recipe's transform: scale 0.08..1, ratio 3/4..4/3, flip 0.5. */
transform transform_default(bool training, int size, int resize);

/** Decodes one image from memory (`name` is for messages) into pixels (size, size, 3) RGB.
 *  Draws from `r` in torchvision's order (10 crop tries, flip, augment_draw, erase_random); the val path draws nothing.
 *  @return 0, E_FORMAT (corrupt, truncated, over a limit: names file and cause), E_UNSUPPORTED, E_NOMEM */
int transform_decode(uint8_t *pixels, decoder *d, const unsigned char *bytes, size_t n, const char *name,
                     const transform *t, random_stream *r);

/** torchvision.transforms.RandomResizedCrop.get_params for an image of w x h. */
crop_box transform_random_crop(const transform *t, int w, int h, random_stream *r);

/** F.resized_crop(image, box, size) [+ hflip] with a given box: what the train path does after its draws; for tests
 *  against torchvision. */
int transform_decode_crop(uint8_t *pixels, decoder *d, const unsigned char *bytes, size_t n, const char *name,
                          crop_box box, int size, bool flip);

/** The whole image, resized as Pillow does to `shorter` pixels on its shorter side: w x h x 3 RGB in *pixels, which is
 *  malloc'd memory or NULL before, resized here, and the caller's to free. */
int transform_resize(uint8_t **pixels, int *w, int *h, decoder *d, const unsigned char *bytes, size_t n,
                     const char *name, int shorter);

#endif
