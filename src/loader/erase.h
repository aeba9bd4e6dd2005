/** Random erasing (Zhong et al. 2017) as torchvision's RandomErasing with its defaults: a rectangle of 0.02 to 0.33 of
 *  the area, height / width 0.3 to 3.3 (log-uniform), becomes 0 after normalisation. Here it is erased before, in 8
 * bits: with the mean's nearest value, so that what follows sees 0 to half a pixel step. */
#ifndef LINNET_LOADER_ERASE_H
#define LINNET_LOADER_ERASE_H

#include "base/random.h"

#include <stdint.h>

typedef struct erase {
    double probability; /* of an image; 0: off, and nothing is drawn */
    uint8_t fill[3];    /* RGB */
} erase;

/** @param pixels (size, size, 3), changed in place. Draws in torchvision's order: whether, then 10 tries of area,
 * aspect and, where they fit, place; when none fits the image stays. */
void erase_random(uint8_t *pixels, int size, const erase *e, random_stream *r);

#endif
