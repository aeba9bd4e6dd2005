/** Converts the bytes of an image file to pixels of a fixed size. The result equals that of torchvision's recipe, byte
 *  for byte:
 *    train: RandomResizedCrop (crop, then Pillow's resize), or with pad_crop Resize(size) and RandomCrop(size, padding
 * = pad_crop); then random flips, augment.h, erase.h val:   Pillow's resize of the shorter side to `resize` (the other
 * to int(resize * long / short)), CenterCrop to `size` The first bytes of the file select the decoder. Only the rows
 * and columns that the crop needs are decoded and resampled. The exception is fast_decode, for training's random crops
 * only: a JPEG whose crop shrinks by 2 or more in both directions is decoded at 1/2, 1/4 or 1/8, the smallest scale
 * that is not smaller than the output. The crop's edges do not move; they may be within a reduced pixel. The pixels are
 * close to the recipe's, but not equal (docs/numerics.md). */
#ifndef LINNET_LOADER_TRANSFORM_H
#define LINNET_LOADER_TRANSFORM_H

#include "base/random.h"
#include "image/decoder.h"
#include "image/resample.h"
#include "loader/augment.h"
#include "loader/erase.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Which pass of a resize comes first. The results differ by at most a few levels, because pixels have 8 bits between
 *  the passes. */
typedef enum resize_order {
    RESIZE_NEWEST,     /* as in Pillow 13: the vertical pass if height - new height > 2 (width - new width) and > 0 */
    RESIZE_HORIZONTAL, /* as in Pillow up to 12: the horizontal pass */
} resize_order;

/** How images are resized. 0: bilinear, in the newest Pillow's order. */
typedef struct resizing {
    resample_filter filter;
    resize_order order;
} resizing;

typedef struct transform {
    bool training; /* random crop and flip; else Resize + CenterCrop */
    bool augment;  /* training only: false selects the val path (Resize + CenterCrop) for training images */
    int size;      /* output is size x size */
    int resize;    /* val: shorter side before the crop */
    bool squash;   /* val: the whole image is resized to `resize` x `resize`, as by timm's squash mode */
    resizing resizing;
    bool random_filter;   /* train: bilinear or bicubic at even odds, drawn after the crop, as in timm */
    double scale[2];      /* train: area fraction, 0.08..1 */
    double ratio[2];      /* train: aspect, 3/4..4/3, log-uniform */
    int pad_crop;         /* train: black pixels on each side before the crop; 0: RandomResizedCrop */
    double flip;          /* train: probability of a horizontal flip */
    double vertical_flip; /* train: probability of a vertical flip, after it; 0: nothing is drawn */
    augment auto_augment; /* train: after the flip */
    erase erase;          /* train: last */
    bool fast_decode;     /* train: see above; the val path ignores it, also with augment = false */
} transform;

/** The recipe's transform: scale 0.08..1, ratio 3/4..4/3, flip 0.5. */
transform transform_default(bool training, int size, int resize);

/** Decodes one image from memory into pixels (size, size, 3) RGB. Draws from `r` in torchvision's order (up to 10 crop
 *  tries, or with pad_crop the crop's top and left; random_filter's, flips, augment_image, erase_random); the val path
 * draws nothing.
 *  @param name of the file, for messages
 *  @return 0, E_FORMAT (corrupt, truncated, over a limit; the message has file and cause), E_UNSUPPORTED, E_NOMEM */
int transform_decode(uint8_t *pixels, decoder *d, const unsigned char *bytes, size_t n, const char *name,
                     const transform *t, random_stream *r);

/** torchvision.transforms.RandomResizedCrop.get_params for an image of w x h. */
crop_box transform_random_resized_crop(const transform *t, int w, int h, random_stream *r);

/** F.resized_crop(image, box, size) [+ hflip] with a given box: the train path after its draws. For comparisons with
 *  torchvision in tests. */
int transform_decode_crop(uint8_t *pixels, decoder *d, const unsigned char *bytes, size_t n, const char *name,
                          crop_box box, int size, bool flip, resizing how);

/** The whole image, resized as by the newest Pillow so that its shorter side has `shorter` pixels.
 *  @param[in,out] pixels h x w x 3 RGB; malloc'd memory or NULL before, reallocated here, freed by the caller */
int transform_resize(uint8_t **pixels, int *w, int *h, decoder *d, const unsigned char *bytes, size_t n,
                     const char *name, int shorter);

#endif
