/** timm's RandAugment, `--aa rand-...`: see augment.h. */
#ifndef LINNET_LOADER_AUGMENT_TIMM_H
#define LINNET_LOADER_AUGMENT_TIMM_H

#include "loader/augment.h"

/** Draws the operations (at most AUGMENT_TIMM_MAX), then for each: whether, unless it is certain; its magnitude; its
 * sign, of geometry and increasing enhancements; its filter, if that is random.
 *  @param pixels (size, size, 3) RGB, changed in place @param scratch the same size, overwritten */
void augment_timm_rand(uint8_t *pixels, uint8_t *scratch, int size, const augment *a, random_stream *r);

#endif
