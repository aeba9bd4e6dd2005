/** Converts the samples of TIFF pixels to RGBX as Pillow's convert("RGB") does. */
#ifndef LINNET_IMAGE_TIFF_PIXELS_H
#define LINNET_IMAGE_TIFF_PIXELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIFF_PLANES = 4 }; /* samples that may determine the colour */

/** What a sample means. In the machine's byte order. */
typedef enum tiff_sample {
    TIFF_SAMPLE_8,
    TIFF_SAMPLE_12, /* gray; two samples in three bytes */
    TIFF_SAMPLE_16,
    TIFF_SAMPLE_INT16, /* gray, as the following */
    TIFF_SAMPLE_INT32, /* also unsigned ones, as in Pillow */
    TIFF_SAMPLE_FLOAT32,
} tiff_sample;

typedef struct tiff_layout {
    tiff_sample sample;
    int colors;             /* samples that determine the colour: 1 (gray or palette), 3 (RGB), 4 (CMYK) */
    bool inverted;          /* gray: 0 is white */
    bool premultiplied;     /* RGB, followed by the alpha by which it was multiplied */
    const uint16_t *map[3]; /* the palette, 16 bits; NULL: none */
} tiff_layout;

/** Planes that tiff_convert needs: `colors`, and alpha if premultiplied. */
int tiff_planes(const tiff_layout *l);

/** Converts n pixels. plane[c]: sample c of the first pixel; those of the next are `step` samples further. */
void tiff_convert(uint8_t *rgbx, const tiff_layout *l, const uint8_t *const plane[TIFF_PLANES], size_t step, int n);

#endif
