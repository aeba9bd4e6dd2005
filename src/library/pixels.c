/* The formats in which pixels are written to the caller's memory. */
#include "library/api.h"

#include "base/status.h"

#include <string.h>

void normalisation_init(normalisation *n, const double mean[3], const double std[3]) {
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            n->of[c][v] = ((float)v / 255.0F - (float)mean[c]) / (float)std[c];
}

int pixels_check(linnet_format f) {
    if ((int)f < LINNET_UINT8_NHWC || (int)f > LINNET_FLOAT_NCHW)
        return fail(E_OPTION, "format %d: there is no such format; use a value of linnet_format", (int)f);
    return OK;
}

static void float_nhwc(float *out, const uint8_t *pixels, size_t n, const normalisation *t) {
    for (size_t i = 0; i < n; i++) {
        out[3 * i] = t->of[0][pixels[3 * i]];
        out[3 * i + 1] = t->of[1][pixels[3 * i + 1]];
        out[3 * i + 2] = t->of[2][pixels[3 * i + 2]];
    }
}

/** One image: each channel is a plane of n pixels. */
static void float_nchw(float *out, const uint8_t *pixels, size_t n, const normalisation *t) {
    for (int c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++)
            out[(size_t)c * n + i] = t->of[c][pixels[3 * i + (size_t)c]];
}

static void uint8_nchw(uint8_t *out, const uint8_t *pixels, size_t n) {
    for (int c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++)
            out[(size_t)c * n + i] = pixels[3 * i + (size_t)c];
}

void pixels_write(void *out, const uint8_t *pixels, int n, int side, linnet_format f, const normalisation *table) {
    size_t plane = (size_t)side * (size_t)side, image = 3 * plane;
    switch (f) {
    case LINNET_UINT8_NHWC: memcpy(out, pixels, (size_t)n * image); break;
    case LINNET_FLOAT_NHWC: float_nhwc(out, pixels, (size_t)n * plane, table); break;
    case LINNET_UINT8_NCHW:
        for (int i = 0; i < n; i++)
            uint8_nchw((uint8_t *)out + (size_t)i * image, pixels + (size_t)i * image, plane);
        break;
    case LINNET_FLOAT_NCHW:
        for (int i = 0; i < n; i++)
            float_nchw((float *)out + (size_t)i * image, pixels + (size_t)i * image, plane, table);
        break;
    }
}
