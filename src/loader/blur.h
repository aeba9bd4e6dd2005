/** Pillow's GaussianBlur for small radii: three box blurs along the rows, then three along the columns, each rounded to
 *  8 bits. Source of the box's size: Gwosdek et al. 2011, "Theoretical foundations of Gaussian convolution by extended
 *  box filtering". */
#ifndef LINNET_LOADER_BLUR_H
#define LINNET_LOADER_BLUR_H

#include <stdint.h>

/** The bytes equal Image.filter(ImageFilter.GaussianBlur(sigma)).
 *  @param pixels (size, size, 3), changed in place @param scratch the same size, overwritten; size at most 4096
 *  @param sigma in pixels, > 0 and at most 2 */
void blur_gaussian(uint8_t *pixels, uint8_t *scratch, int size, float sigma);

#endif
