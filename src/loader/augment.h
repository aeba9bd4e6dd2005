/** RandAugment (Cubuk et al. 2019) and TrivialAugment (Mueller & Hutter 2021, wide) as torchvision 0.14 applies them to
 *  PIL images in its reference presets: between flip and normalisation, bilinear, black where nothing was.
 *  The bytes are Pillow's for the same operation and magnitude. Magnitudes are float32(low + (high - low) * bin / 30),
 * as torch.linspace's up to the last bit, which there depends on the machine. Draws are a function of the stream alone.
 */
#ifndef LINNET_LOADER_AUGMENT_H
#define LINNET_LOADER_AUGMENT_H

#include "base/random.h"

#include <stdint.h>

/** In the order of torchvision's tables, by which they are drawn. */
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
    int ops;       /* AUGMENT_RAND: operations one after the other, with replacement; TRIVIAL: one */
    int magnitude; /* AUGMENT_RAND: bin, 0..AUGMENT_BINS - 1; TRIVIAL: drawn */
} augment;

typedef struct augment_choice {
    augment_op op;
    double magnitude; /* shears: tangent; translations: pixels, cut off; rotation: degrees, counter-clockwise;
                         brightness to sharpness: factor - 1; posterize: bits kept; solarize: threshold */
} augment_choice;

/** The magnitude of a bin, before its sign; 0 for operations that have none. @param size side of the image */
double augment_magnitude(augment_kind kind, augment_op op, int bin, int size);

/** One operation of a kind other than AUGMENT_NONE. Draws in torchvision's order: operation, bin (TRIVIAL), sign. */
augment_choice augment_draw(const augment *a, int size, random_stream *r);

/** Applies one operation in place. @param pixels (size, size, 3) RGB @param scratch as large, overwritten */
void augment_apply(uint8_t *pixels, uint8_t *scratch, int size, augment_choice c);

#endif
