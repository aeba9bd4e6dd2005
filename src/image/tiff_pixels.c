#include "image/tiff_pixels.h"

#include <string.h>

int tiff_planes(const tiff_layout *l) { return l->colors + l->premultiplied; }

static uint8_t clip(int32_t v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

/** Gray of more than 8 bits is clipped at 0 and 255: Pillow's modes I and F. */
static uint8_t gray(const tiff_layout *l, const uint8_t *p, size_t i) {
    uint16_t u16 = 0;
    int16_t i16 = 0;
    int32_t i32 = 0;
    float f = 0;
    switch (l->sample) {
    case TIFF_SAMPLE_8: return l->inverted ? (uint8_t)(255 - p[i]) : p[i];
    case TIFF_SAMPLE_12: p += i / 2 * 3; return clip(i % 2 == 0 ? p[0] << 4 | p[1] >> 4 : (p[1] & 15) << 8 | p[2]);
    case TIFF_SAMPLE_16: memcpy(&u16, p + i * 2, 2); return clip(u16);
    case TIFF_SAMPLE_INT16: memcpy(&i16, p + i * 2, 2); return clip(i16);
    case TIFF_SAMPLE_INT32: memcpy(&i32, p + i * 4, 4); return clip(i32);
    case TIFF_SAMPLE_FLOAT32: memcpy(&f, p + i * 4, 4); return f >= 255 ? 255 : f > 0 ? (uint8_t)f : 0;
    }
    return 0;
}

/** A sample of a colour: of 16 bits the high byte. */
static uint8_t narrow(const tiff_layout *l, const uint8_t *p, size_t i) {
    uint16_t wide = 0;
    if (l->sample == TIFF_SAMPLE_8)
        return p[i];
    memcpy(&wide, p + i * 2, 2);
    return (uint8_t)(wide >> 8);
}

static uint8_t remove_ink(unsigned ink, unsigned black) {
    unsigned white = 255 - black, product = ink * white + 128, dark = ((product >> 8) + product) >> 8;
    return (uint8_t)(white > dark ? white - dark : 0);
}

void tiff_convert(uint8_t *rgbx, const tiff_layout *l, const uint8_t *const plane[TIFF_PLANES], size_t step, int n) {
    for (size_t x = 0; x < (size_t)n; x++, rgbx += 4) {
        uint8_t s[TIFF_PLANES] = {0};
        for (int c = 0; c < tiff_planes(l); c++)
            s[c] = l->colors == 1 ? gray(l, plane[c], x * step) : narrow(l, plane[c], x * step);
        for (int c = 0; c < 3; c++)
            rgbx[c] = l->map[0] != NULL   ? (uint8_t)(l->map[c][s[0]] >> 8)
                      : l->colors == 1    ? s[0]
                      : l->colors == 4    ? remove_ink(s[c], s[3])
                      : !l->premultiplied ? s[c]
                      : s[3] == 0         ? 0
                                          : clip(s[c] * 255 / s[3]);
        rgbx[3] = 255;
    }
}
