/** Random erasing (Zhong et al. 2017) as torchvision's RandomErasing with its defaults: a rectangle of 0.02 to 0.33 of
 *  the area, with height / width from 0.3 to 3.3 (log-uniform), becomes 0 after normalisation. Here the pixels are set
 *  before normalisation, to the 8-bit value nearest to the mean, so that they normalise to 0 within half a pixel step.
 */
#ifndef LINNET_LOADER_ERASE_H
#define LINNET_LOADER_ERASE_H

#include "base/random.h"

#include <stdint.h>

typedef struct erase {
    double probability; /* that an image is erased; 0: off, and nothing is drawn */
    uint8_t fill[3];    /* RGB */
} erase;

/** Draws in torchvision's order: whether to erase; then up to 10 tries of an area and an aspect ratio, and a position
 *  if the rectangle fits. If none fits, the image is not changed.
 *  @param pixels (size, size, 3), changed in place */
void erase_random(uint8_t *pixels, int size, const erase *e, random_stream *r);

#endif
