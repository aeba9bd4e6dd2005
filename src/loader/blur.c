#include "loader/blur.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

enum { PASSES = 3, TAPS = 5, SIDE = TAPS / 2, ROW_BYTES_MAX = 4096 * 3 };

/** A box of width 2 * radius + 1 with a fraction of a pixel at each end. Weights are in units of 2^-24, in two parts
 *  of 12 bits: products of 16 bits are fast on every CPU. */
typedef struct box {
    int radius;                                     /* 0 or 1 */
    int16_t full_high, full_low, end_high, end_low; /* of a pixel in the box, and of the pixel beyond each end */
} box;

/** The box whose threefold blur has the deviation sigma. The arithmetic is Pillow's, in float. */
static box box_of(float sigma) {
    float variance = sigma * sigma / PASSES;
    float length = (float)sqrt(12.0 * variance + 1.0);
    float whole = (float)floor((length - 1.0) / 2.0);
    float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
    part /= 6 * (variance - (whole + 1) * (whole + 1));
    float width = (whole + part) * 2 + 1;
    int radius = (int)(whole + part);
    uint32_t full = (uint32_t)((float)(1 << 24) / width);
    uint32_t end = ((1u << 24) - (uint32_t)(radius * 2 + 1) * full) / 2;
    assert(radius < SIDE);
    return (box){radius, (int16_t)(full >> 12), (int16_t)(full & 4095), (int16_t)(end >> 12), (int16_t)(end & 4095)};
}

/** One pass over n bytes. tap[i]: the bytes at distance i - SIDE, in pixels or rows. */
static void blur_line(uint8_t *restrict out, const uint8_t *const tap[TAPS], size_t n, const box *b) {
    const uint8_t *before = tap[SIDE - 1], *middle = tap[SIDE], *after = tap[SIDE + 1];
    const uint8_t *first = tap[SIDE - 1 - b->radius], *last = tap[SIDE + 1 + b->radius];
    const int16_t sides = b->radius == 1 ? -1 : 0, full_high = b->full_high, full_low = b->full_low,
                  end_high = b->end_high, end_low = b->end_low;
    for (size_t i = 0; i < n; i++) {
        int16_t inner = (int16_t)(middle[i] + ((before[i] + after[i]) & sides)), outer = (int16_t)(first[i] + last[i]);
        int high = inner * full_high + outer * end_high, low = inner * full_low + outer * end_low;
        out[i] = (uint8_t)(((uint32_t)high + ((uint32_t)(low + (1 << 23)) >> 12)) >> 12);
    }
}

/** The passes along a row of n bytes. Its ends are repeated. */
static void blur_row(uint8_t *out, const uint8_t *row, size_t n, const box *b) {
    enum { PAD = SIDE * 3 };
    uint8_t line[2][ROW_BYTES_MAX + 2 * PAD];
    memcpy(line[0] + PAD, row, n);
    for (int pass = 0; pass < PASSES; pass++) {
        uint8_t *from = line[pass % 2] + PAD;
        for (size_t i = 0; i < SIDE; i++) {
            memcpy(from - PAD + i * 3, from, 3);
            memcpy(from + n + i * 3, from + n - 3, 3);
        }
        const uint8_t *tap[TAPS] = {from - 6, from - 3, from, from + 3, from + 6};
        blur_line(pass == PASSES - 1 ? out : line[1 - pass % 2] + PAD, tap, n, b);
    }
}

/** One pass along the columns. */
static void blur_columns(uint8_t *out, const uint8_t *in, int size, const box *b) {
    size_t n = (size_t)size * 3;
    for (int y = 0; y < size; y++) {
        const uint8_t *tap[TAPS];
        for (int i = 0; i < TAPS; i++) {
            int from = y + i - SIDE;
            from = from < 0 ? 0 : from < size ? from : size - 1;
            tap[i] = in + (size_t)from * n;
        }
        blur_line(out + (size_t)y * n, tap, n, b);
    }
}

void blur_gaussian(uint8_t *pixels, uint8_t *scratch, int size, float sigma) {
    const box b = box_of(sigma);
    size_t n = (size_t)size * 3;
    for (size_t y = 0; y < (size_t)size; y++)
        blur_row(scratch + y * n, pixels + y * n, n, &b);
    blur_columns(pixels, scratch, size, &b);
    blur_columns(scratch, pixels, size, &b);
    blur_columns(pixels, scratch, size, &b);
}
