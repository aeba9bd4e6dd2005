/** Affine transforms of an image, with the bytes of Pillow's Image.transform and Image.rotate. Images are (size, size,
 * 3) and are changed in place; `scratch` has the same size and is overwritten. */
#ifndef LINNET_LOADER_AFFINE_H
#define LINNET_LOADER_AFFINE_H

#include <stdbool.h>
#include <stdint.h>

/** Maps the centre of output pixel (x, y) to its source: (m0 x + m1 y + m2, m3 x + m4 y + m5). */
typedef struct affine {
    double m[6];
} affine;

/** torchvision's F.affine with angle 0: the inverse of a shear about the corner, by tangents. */
affine affine_shear(double tangent_x, double tangent_y);
/** Image.rotate: counter-clockwise about the centre. */
affine affine_rotation(double degrees, int size);

/** Image.transform(AFFINE). Interpolates the 2 x 2 or 4 x 4 nearest pixel centres; edge pixels are repeated for half a
 *  pixel, and what lies further outside becomes `fill` (RGB). */
void affine_transform(uint8_t *pixels, uint8_t *scratch, int size, const affine *a, bool bicubic,
                      const uint8_t fill[3]);

/** The same for a shift by whole pixels, to the right and down, with black outside. */
void affine_shift(uint8_t *pixels, uint8_t *scratch, int size, int x, int y);

#endif
