/** Colour operations on RGB images, with Pillow's rounding. `n` is the number of pixels; each changes the image in
 *  place. */
#ifndef LINNET_LOADER_COLOR_H
#define LINNET_LOADER_COLOR_H

#include <stddef.h>
#include <stdint.h>

/** Image.blend: `plain` at factor 0, `value` at 1, extrapolated and clipped outside. */
uint8_t color_blend(int plain, int value, float factor);

/** ImageEnhance.Brightness: blends with black. */
void color_brightness(uint8_t *pixels, size_t n, float factor);
/** ImageEnhance.Contrast: blends with the mean luminance, rounded to a level. */
void color_contrast(uint8_t *pixels, size_t n, float factor);
/** ImageEnhance.Color: blends each pixel with its luminance. */
void color_saturation(uint8_t *pixels, size_t n, float factor);
/** convert("L"), in all three channels. */
void color_gray(uint8_t *pixels, size_t n);
/** torchvision's adjust_hue: convert("HSV"), the hue of 8 bits plus int(turns * 255) modulo 256, convert("RGB").
 *  @param turns from -0.5 to 0.5 */
void color_hue(uint8_t *pixels, size_t n, double turns);

#endif
