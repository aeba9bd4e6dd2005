/** RandAugment (Cubuk et al. 2019) and TrivialAugment (Mueller & Hutter 2021, wide) as torchvision 0.14 applies them to
 *  PIL images in its reference presets: between flip and normalisation, with bilinear interpolation; pixels from
 *  outside the image are black. The bytes equal Pillow's for the same operation and magnitude. Magnitudes are
 *  float32(low + (high - low) * bin / 30). They equal torch.linspace's except for the last bit, which differs between
 *  machines in PyTorch. The draws depend on the stream alone. */
#ifndef LINNET_LOADER_AUGMENT_H
#define LINNET_LOADER_AUGMENT_H

#include "base/random.h"

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
    AUGMENT_OPS
} augment_op;

typedef enum augment_kind { AUGMENT_NONE, AUGMENT_RAND, AUGMENT_TRIVIAL } augment_kind;

enum { AUGMENT_BINS = 31 };

typedef struct augment {
    augment_kind kind;
    int ops;       /* AUGMENT_RAND: number of operations, drawn with replacement. TRIVIAL: not used, always one */
    int magnitude; /* AUGMENT_RAND: bin, 0..AUGMENT_BINS - 1. TRIVIAL: not used, the bin is drawn */
} augment;

typedef struct augment_choice {
    augment_op op;
    double magnitude; /* shears: tangent; translations: pixels, truncated to an integer; rotation: degrees,
                         counter-clockwise; brightness to sharpness: factor - 1; posterize: bits kept; solarize:
                         threshold */
} augment_choice;

/** The magnitude of a bin, without its sign; 0 for operations without a magnitude. @param size image side in pixels */
double augment_magnitude(augment_kind kind, augment_op op, int bin, int size);

/** Draws one operation, in torchvision's order: operation, bin (TRIVIAL only), sign. `a->kind` is not AUGMENT_NONE. */
augment_choice augment_draw(const augment *a, int size, random_stream *r);

/** Applies one operation in place. @param pixels (size, size, 3) RGB @param scratch the same size, overwritten */
void augment_apply(uint8_t *pixels, uint8_t *scratch, int size, augment_choice c);

#endif
