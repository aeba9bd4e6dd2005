/* The operations. */

#include "loader/augment.h"

#include "loader/blur.h"
#include "loader/color.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static int clamp(int x, int high) { return x < 0 ? 0 : x < high ? x : high; }

/* ---- geometry ---- */

/** Maps the centre of output pixel (x, y) to its source: (m0 x + m1 y + m2, m3 x + m4 y + m5). */
typedef struct affine {
    double m[6];
} affine;

/** Moves m's origin to (x, y), with the additions in the order of torchvision and Pillow. */
static void move(affine *a, double x, double y, double center) {
    a->m[2] = a->m[0] * x + a->m[1] * y + center;
    a->m[5] = a->m[3] * x + a->m[4] * y + center;
}

/** F.affine with angle 0: the inverse of a shear about the corner. torchvision converts to degrees and back, so this
 *  does too. */
static affine shear(double tangent_x, double tangent_y) {
    const double degree = M_PI / 180;
    double x = atan(tangent_x) * (180 / M_PI) * degree, y = atan(tangent_y) * (180 / M_PI) * degree;
    return (affine){
        {1 - sin(-y) * tan(x) / cos(y), cos(-y) * tan(x) / cos(y), 0, -sin(-y) / cos(y), cos(-y) / cos(y), 0}};
}

/** Rounds to 15 decimals, as Image.rotate does. The product v * 1e15 alone would be rounded, and some values would
 *  then be rounded in the other direction. */
static double round_15(double v) {
    double units = rint(v * 1e15), rest = fma(v, 1e15, -units);
    return (units + (rest > 0.5) - (rest < -0.5)) / 1e15;
}

static affine rotation(double degrees, int size) {
    double turn = fmod(degrees, 360), center = size / 2.0;
    double angle = -((turn < 0 ? turn + 360 : turn) * (M_PI / 180));
    double c = round_15(cos(angle)), s = round_15(sin(angle));
    affine a = {{c, s, 0, -s, c, 0}};
    move(&a, -center, -center, center);
    return a;
}

/** Rounds down. floor() is a call on CPUs without SSE4.1. */
static int floor_int(double v) {
    int i = (int)v;
    return i - (v < i);
}

/** Image.transform(AFFINE, BILINEAR): interpolates the four nearest pixel centres; edge pixels are repeated for half
 *  a pixel. */
static void transform_affine(uint8_t *pixels, uint8_t *scratch, int size, affine a) {
    const double *m = a.m;
    size_t row = (size_t)size * 3;
    memcpy(scratch, pixels, row * (size_t)size);
    for (int y = 0; y < size; y++) {
        double y_x = m[1] * (y + 0.5), y_y = m[4] * (y + 0.5);
        uint8_t *to = pixels + (size_t)y * row;
        for (int x = 0; x < size; x++, to += 3) {
            double from_x = m[0] * (x + 0.5) + y_x + m[2], from_y = m[3] * (x + 0.5) + y_y + m[5];
            if (!(from_x >= 0 && from_x < size && from_y >= 0 && from_y < size)) {
                memset(to, 0, 3);
                continue;
            }
            int left = floor_int(from_x - 0.5), top = floor_int(from_y - 0.5);
            double dx = from_x - 0.5 - left, dy = from_y - 0.5 - top;
            const uint8_t *up = scratch + (size_t)clamp(top, size - 1) * row;
            const uint8_t *down = scratch + (size_t)clamp(top + 1, size - 1) * row;
            int x0 = clamp(left, size - 1) * 3, x1 = clamp(left + 1, size - 1) * 3;
            for (int c = 0; c < 3; c++) {
                double v0 = up[x0 + c] + (up[x1 + c] - up[x0 + c]) * dx;
                double v1 = down[x0 + c] + (down[x1 + c] - down[x0 + c]) * dx;
                to[c] = (uint8_t)(int)(v0 + (v1 - v0) * dy);
            }
        }
    }
}

/** The same for a shift by whole pixels, which needs no interpolation. */
static void translate(uint8_t *pixels, uint8_t *scratch, int size, int x, int y) {
    size_t row = (size_t)size * 3;
    int first = x > 0 ? x : 0, end = x < 0 ? size + x : size;
    memcpy(scratch, pixels, row * (size_t)size);
    memset(pixels, 0, row * (size_t)size);
    for (int to = y > 0 ? y : 0; to < (y < 0 ? size + y : size) && first < end; to++)
        memcpy(pixels + (size_t)to * row + (size_t)first * 3,
               scratch + (size_t)(to - y) * row + (size_t)(first - x) * 3, (size_t)(end - first) * 3);
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
    case AUGMENT_SHEAR_X: transform_affine(pixels, scratch, size, shear(m, 0)); break;
    case AUGMENT_SHEAR_Y: transform_affine(pixels, scratch, size, shear(0, m)); break;
    case AUGMENT_TRANSLATE_X: translate(pixels, scratch, size, (int)m, 0); break;
    case AUGMENT_TRANSLATE_Y: translate(pixels, scratch, size, 0, (int)m); break;
    case AUGMENT_ROTATE: transform_affine(pixels, scratch, size, rotation(m, size)); break;
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
