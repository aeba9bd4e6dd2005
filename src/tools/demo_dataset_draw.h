/** Draws one image of the synthetic demo dataset. */
#ifndef LINNET_TOOLS_DEMO_DATASET_DRAW_H
#define LINNET_TOOLS_DEMO_DATASET_DRAW_H

#include "base/random.h"
#include "tools/demo_dataset.h"

#include <stdint.h>

/** Folder names of the classes, in byte order. */
extern const char *const demo_dataset_class[DEMO_DATASET_CLASSES];

/** Draws an image of class `kind` (an index of demo_dataset_class): a shape or a patch of texture, antialiased, of any
 * colour, size, position and rotation, over a background of a colour gradient, soft blobs, strokes and noise.
 *  @param[out] pixels  (h, w, 3) RGB
 *  @param scratch  (h, w, 3), temporary */
void demo_dataset_draw(uint8_t *pixels, float *scratch, int w, int h, int kind, random_stream *r);

#endif
