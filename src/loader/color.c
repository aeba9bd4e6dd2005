#include "loader/color.h"

static int luminance(const uint8_t *p) { return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16; }

uint8_t color_blend(int plain, int value, float factor) {
    float v = (float)plain + factor * (float)(value - plain);
    return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : v);
}

/** Blends every byte with one level. */
static void blend_level(uint8_t *pixels, size_t n, int plain, float factor) {
    uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = color_blend(plain, i, factor);
    for (size_t i = 0; i < n * 3; i++)
        pixels[i] = table[pixels[i]];
}

void color_brightness(uint8_t *pixels, size_t n, float factor) { blend_level(pixels, n, 0, factor); }

void color_contrast(uint8_t *pixels, size_t n, float factor) {
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += luminance(pixels + i * 3);
    blend_level(pixels, n, (int)((double)sum / (double)n + 0.5), factor);
}

void color_saturation(uint8_t *pixels, size_t n, float factor) {
    for (uint8_t *p = pixels; p < pixels + n * 3; p += 3) {
        int gray = luminance(p);
        for (int c = 0; c < 3; c++)
            p[c] = color_blend(gray, p[c], factor);
    }
}

void color_gray(uint8_t *pixels, size_t n) {
    for (uint8_t *p = pixels; p < pixels + n * 3; p += 3)
        p[0] = p[1] = p[2] = (uint8_t)luminance(p);
}

/* ---- hue ---- */

/** Tables for a hue shift: divisions by 1 to 255, and where each hue of 8 bits lies in the six sectors. */
typedef struct hue_tables {
    uint64_t reciprocal[256];
    struct {
        uint8_t sector;
        int rest; /* position in the sector, in 1/255 */
    } of[256];
} hue_tables;

/** a / b, rounded down, for a up to 65025. */
static int divide(const hue_tables *t, int a, int b) { return (int)((uint64_t)a * t->reciprocal[b] >> 24); }

/** Pillow's hue in float arithmetic. @param middle, low the other two channels' distances from the largest, divided by
 *  the range: in the order of the formula of the sector */
static int hue_float(int base, float middle, float low) {
    float h = (float)((double)base + (double)middle - (double)low);
    double turns = h / 6.0 + 1.0;
    h = (float)(turns >= 1 ? turns - 1 : turns);
    return (int)(h * 255.0);
}

/** Pillow's hue of a pixel whose largest channel is `high` and whose range is d > 0. The exact quotient, rounded down,
 *  equals Pillow's float arithmetic unless it is a whole number. */
static int hue_of(const hue_tables *t, const uint8_t *p, int high, int d) {
    int base, a, b; /* hue = (base + (a - b) / d) / 6 turns; a and b: distances from the largest channel */
    if (p[0] == high)
        base = 0, a = high - p[2], b = high - p[1];
    else if (p[1] == high)
        base = 2, a = high - p[0], b = high - p[2];
    else
        base = 4, a = high - p[1], b = high - p[0];
    int sixths = (base == 0 && a < b ? 6 : base) * d + a - b;
    int product = 85 * sixths, h = divide(t, product / 2, d);
    if (product == 2 * d * h)
        h = hue_float(base, (float)a / (float)d, (float)b / (float)d);
    return h;
}

/** Pillow's HSV to RGB; the exact quotients, rounded to the nearest, equal its float arithmetic. */
static void from_hsv(uint8_t *p, const hue_tables *t, int h, int s, int v) {
    static const uint8_t order[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3}, {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
    int rest = t->of[h].rest;
    const int level[4] = {v, (2 * v * (255 - s) + 255) / 510, (2 * v * (65025 - s * rest) + 65025) / 130050,
                          (2 * v * (65025 - s * (255 - rest)) + 65025) / 130050};
    const uint8_t *o = order[t->of[h].sector];
    for (int c = 0; c < 3; c++)
        p[c] = (uint8_t)level[o[c]];
}

void color_hue(uint8_t *pixels, size_t n, double turns) {
    hue_tables t = {0};
    int shift = (int)(turns * 255);
    for (int i = 0; i < 256; i++) {
        t.reciprocal[i] = i > 0 ? (1u << 24) / (unsigned)i + 1 : 0;
        t.of[i].sector = (uint8_t)(i * 6 / 255 % 6);
        t.of[i].rest = i * 6 % 255;
    }
    for (uint8_t *p = pixels; p < pixels + n * 3; p += 3) {
        int high = p[0] > p[1] ? p[0] : p[1], low = p[0] < p[1] ? p[0] : p[1];
        high = p[2] > high ? p[2] : high;
        low = p[2] < low ? p[2] : low;
        int d = high - low;
        if (d > 0)
            from_hsv(p, &t, (hue_of(&t, p, high, d) + shift) & 255, divide(&t, 255 * d, high), high);
    }
}
