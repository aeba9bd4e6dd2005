/* The operations. */

#include "loader/augment.h"

#include "loader/affine.h"
#include "loader/blur.h"
#include "loader/color.h"

#include <string.h>

static int clamp(int x, int high) { return x < 0 ? 0 : x < high ? x : high; }

static void transform(uint8_t *pixels, uint8_t *scratch, int size, affine a) {
    affine_transform(pixels, scratch, size, &a, false, (const uint8_t[3]){0});
}

/* ---- sharpness ---- */

/** Blends n bytes with ImageFilter.SMOOTH: weights 1, in the middle 5, divided by 13. The quotient, rounded to the
 *  nearest, equals Pillow's float arithmetic, because it is never half a level. */
static void sharpen(uint8_t *restrict out, const uint8_t *up, const uint8_t *p, const uint8_t *down, size_t n,
                    float factor) {
    for (size_t i = 0; i < n; i++) {
        int sum = up[i] + up[i + 3] + up[i + 6] + p[i] + 5 * p[i + 3] + p[i + 6] + down[i] + down[i + 3] + down[i + 6];
        int smooth = (2 * sum + 13) / 26;
        int v = (int)((float)smooth + factor * (float)(p[i + 3] - smooth));
        out[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

/** The border is unchanged. */
static void sharpness(uint8_t *pixels, uint8_t *scratch, int size, float factor) {
    size_t row = (size_t)size * 3;
    memcpy(scratch, pixels, row * (size_t)size);
    for (size_t y = 1; size > 2 && y + 1 < (size_t)size; y++) {
        const uint8_t *p = scratch + y * row;
        sharpen(pixels + y * row + 3, p - row, p, p + row, row - 6, factor);
    }
}

/* ---- lookup tables: a value becomes table[value] ---- */

static void look_up(uint8_t *pixels, size_t n, const uint8_t table[256]) {
    for (size_t i = 0; i < n; i++)
        pixels[i * 3] = table[pixels[i * 3]];
}

static void histogram(int64_t count[256], const uint8_t *pixels, size_t n) {
    memset(count, 0, 256 * sizeof *count);
    for (size_t i = 0; i < n; i++)
        count[pixels[i * 3]]++;
}

/** Scales each channel so that its darkest value becomes 0 and its brightest 255. */
static void auto_contrast(uint8_t table[256], const int64_t count[256]) {
    int low = 0, high = 255;
    while (low < 255 && count[low] == 0)
        low++;
    while (high > 0 && count[high] == 0)
        high--;
    if (high <= low)
        return;
    double scale = 255.0 / (high - low), offset = -low * scale;
    for (int i = 0; i < 256; i++)
        table[i] = (uint8_t)clamp((int)(i * scale + offset), 255);
}

/** Maps each value to its rank. A step is 1/255 of all pixels except those of the brightest value. */
static void equalize(uint8_t table[256], const int64_t count[256]) {
    int64_t all = 0, last = 0;
    for (int i = 0; i < 256; i++) {
        all += count[i];
        last = count[i] > 0 ? count[i] : last;
    }
    int64_t step = (all - last) / 255, sum = step / 2;
    if (step == 0)
        return;
    for (int i = 0; i < 256; i++) {
        table[i] = (uint8_t)(sum / step < 255 ? sum / step : 255);
        sum += count[i];
    }
}

static void by_table(uint8_t *pixels, size_t n, augment_choice c) {
    for (int channel = 0; channel < 3; channel++) {
        uint8_t table[256];
        int64_t count[256];
        histogram(count, pixels + channel, n);
        for (int i = 0; i < 256; i++)
            table[i] = (uint8_t)i;
        if (c.op == AUGMENT_AUTO_CONTRAST)
            auto_contrast(table, count);
        if (c.op == AUGMENT_EQUALIZE)
            equalize(table, count);
        for (int i = 0; i < 256; i++) {
            if (c.op == AUGMENT_POSTERIZE)
                table[i] = (uint8_t)(i & -(1 << (8 - (int)c.magnitude)));
            if (c.op == AUGMENT_INVERT)
                table[i] = (uint8_t)(255 - i);
            if (c.op == AUGMENT_SOLARIZE && i >= c.magnitude)
                table[i] = (uint8_t)(255 - i);
        }
        look_up(pixels + channel, n, table);
    }
}

void augment_apply(uint8_t *pixels, uint8_t *scratch, int size, augment_choice c) {
    size_t n = (size_t)size * (size_t)size;
    double m = c.magnitude;
    float factor = (float)(1 + m);
    switch (c.op) {
    case AUGMENT_SHEAR_X: transform(pixels, scratch, size, affine_shear(m, 0)); break;
    case AUGMENT_SHEAR_Y: transform(pixels, scratch, size, affine_shear(0, m)); break;
    case AUGMENT_TRANSLATE_X: affine_shift(pixels, scratch, size, (int)m, 0); break;
    case AUGMENT_TRANSLATE_Y: affine_shift(pixels, scratch, size, 0, (int)m); break;
    case AUGMENT_ROTATE: transform(pixels, scratch, size, affine_rotation(m, size)); break;
    case AUGMENT_BRIGHTNESS: color_brightness(pixels, n, factor); break;
    case AUGMENT_COLOR: color_saturation(pixels, n, factor); break;
    case AUGMENT_CONTRAST: color_contrast(pixels, n, factor); break;
    case AUGMENT_HUE: color_hue(pixels, n, m); break;
    case AUGMENT_GRAY: color_gray(pixels, n); break;
    case AUGMENT_BLUR: blur_gaussian(pixels, scratch, size, (float)m); break;
    case AUGMENT_SHARPNESS: sharpness(pixels, scratch, size, factor); break;
    case AUGMENT_POSTERIZE:
    case AUGMENT_SOLARIZE:
    case AUGMENT_AUTO_CONTRAST:
    case AUGMENT_EQUALIZE:
    case AUGMENT_INVERT: by_table(pixels, n, c); break;
    case AUGMENT_IDENTITY: break;
    }
}
