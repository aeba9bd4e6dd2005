/** Augmentations of an image between flip and normalisation: RandAugment (Cubuk et al. 2019), TrivialAugment (Mueller &
 *  Hutter 2021, wide), AutoAugment (Cubuk et al. 2018, the policy for ImageNet) and AugMix (Hendrycks et al. 2019) as
 *  torchvision's reference presets apply them, with bilinear interpolation, where pixels from outside the image are
 *  black; 3-Augment (Touvron et al. 2022) and a RandAugment of its own as timm applies them; torchvision's ColorJitter
 * and RandomGrayscale. The bytes equal Pillow's for the same operation and magnitude, also in AugMix, for which
 * torchvision converts the image to a tensor (docs/numerics.md). The draws depend on the stream alone. */
#ifndef LINNET_LOADER_AUGMENT_H
#define LINNET_LOADER_AUGMENT_H

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** In the order of torchvision's tables: a drawn number is an index into it. */
typedef enum augment_op {
    AUGMENT_IDENTITY,
    AUGMENT_SHEAR_X,
    AUGMENT_SHEAR_Y,
    AUGMENT_TRANSLATE_X,
    AUGMENT_TRANSLATE_Y,
    AUGMENT_ROTATE,
    AUGMENT_BRIGHTNESS,
    AUGMENT_COLOR,
    AUGMENT_CONTRAST,
    AUGMENT_SHARPNESS,
    AUGMENT_POSTERIZE,
    AUGMENT_SOLARIZE,
    AUGMENT_AUTO_CONTRAST,
    AUGMENT_EQUALIZE,
    AUGMENT_INVERT, /* this one and the following are not drawn by RandAugment and TrivialAugment */
    AUGMENT_HUE,
    AUGMENT_GRAY,
    AUGMENT_BLUR
} augment_op;

typedef enum augment_kind {
    AUGMENT_NONE,
    AUGMENT_RAND,
    AUGMENT_TRIVIAL,
    AUGMENT_AUTO,
    AUGMENT_AUGMIX,
    AUGMENT_3,
    AUGMENT_TIMM /* timm's RandAugment */
} augment_kind;

enum {
    AUGMENT_OPS = AUGMENT_INVERT, /* how many operations RandAugment and TrivialAugment draw from */
    AUGMENT_BINS = 31,            /* of their magnitudes */
    AUGMENT_COARSE_BINS = 10,     /* of AutoAugment's and AugMix's */
    AUGMENT_TIMM_MAX = 16
};

/** AUGMENT_TIMM: the parts of `rand-m9-mstd0.5-inc1` and of create_transform. */
typedef struct augment_timm {
    double deviation, most; /* of the magnitude: standard deviation, INFINITY for uniform in [0, magnitude]; largest */
    double probability;     /* of each operation */
    bool increasing;        /* every operation becomes stronger with the magnitude */
    bool bicubic, random_filter;
    uint8_t fill[3]; /* outside the image */
} augment_timm;

typedef struct augment {
    augment_kind kind;
    int ops;          /* AUGMENT_RAND, AUGMENT_TIMM: number of operations, drawn with replacement */
    int magnitude;    /* AUGMENT_RAND: bin, 0..AUGMENT_BINS - 1. AUGMENT_TIMM: in tenths of the range */
    int severity;     /* AUGMENT_AUGMIX: bins are drawn from 0..severity - 1; 1..AUGMENT_COARSE_BINS */
    double jitter[4]; /* ColorJitter, after `kind`: brightness, contrast, saturation, hue (at most 0.5); 0: off */
    double jitter_probability;
    double gray_probability; /* RandomGrayscale, after the jitter */
    augment_timm timm;
} augment;

typedef struct augment_choice {
    augment_op op;
    double magnitude; /* shears: tangent; translations: pixels, truncated to an integer; rotation: degrees,
                         counter-clockwise; brightness to sharpness: factor - 1; posterize: bits kept; solarize:
                         threshold; hue: turns; blur: standard deviation in pixels, at most 2 */
} augment_choice;

/** The magnitude of a bin, without its sign; 0 for operations without a magnitude. Rounded to float32: equal to
 *  torch.linspace's except for the last bit, which differs between machines in PyTorch.
 *  @param size image side in pixels */
double augment_magnitude(augment_kind kind, augment_op op, int bin, int size);

/** Draws one operation of RandAugment or TrivialAugment, in torchvision's order: operation, bin (TRIVIAL), sign. */
augment_choice augment_draw(const augment *a, int size, random_stream *r);

/** Applies one operation in place. @param pixels (size, size, 3) RGB @param scratch the same size, overwritten */
void augment_apply(uint8_t *pixels, uint8_t *scratch, int size, augment_choice c);

/** The scratch memory of augment_image, which must be aligned as a float. */
size_t augment_scratch_bytes(const augment *a, int size);

/** Draws and applies everything that `a` contains, in this order: kind, jitter, gray. What is off draws nothing.
 *
 *  AUTO draws a policy, two probabilities and two signs.
 *
 *  AUGMIX draws two exponential variates for the weights of the image and of the chains, and three for those of the
 *  chains; then per chain its length, and per operation the operation, its bin and its sign.
 *
 *  3 draws the operation, and for blur the deviation. TIMM: augment_timm.h.
 *
 *  The jitter draws whether it is applied, if the probability is below 1; the order of the four operations
 *  (Fisher-Yates from the end); a factor for each that is on. Gray draws whether it is applied.
 *  @param pixels (size, size, 3) RGB, changed in place @param scratch augment_scratch_bytes, overwritten */
void augment_image(uint8_t *pixels, void *scratch, int size, const augment *a, random_stream *r);

#endif
