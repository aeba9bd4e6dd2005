#include "loader/affine.h"

#include <math.h>
#include <string.h>

static int clamp(int x, int high) { return x < 0 ? 0 : x < high ? x : high; }

/** Moves m's origin to (x, y), with the additions in the order of torchvision and Pillow. */
static void move(affine *a, double x, double y, double center) {
    a->m[2] = a->m[0] * x + a->m[1] * y + center;
    a->m[5] = a->m[3] * x + a->m[4] * y + center;
}

/* torchvision converts to degrees and back, so this does too. */
affine affine_shear(double tangent_x, double tangent_y) {
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

affine affine_rotation(double degrees, int size) {
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

typedef struct taps {
    const uint8_t *row[4]; /* the rows around the source */
    int at[4];             /* the columns, in bytes */
    double dx, dy;         /* distances from the pixel before the source */
} taps;

static void bilinear(uint8_t to[3], const taps *t) {
    for (int c = 0; c < 3; c++) {
        const uint8_t *up = t->row[1] + c, *down = t->row[2] + c;
        double v0 = up[t->at[1]] + (up[t->at[2]] - up[t->at[1]]) * t->dx;
        double v1 = down[t->at[1]] + (down[t->at[2]] - down[t->at[1]]) * t->dx;
        to[c] = (uint8_t)(int)(v0 + (v1 - v0) * t->dy);
    }
}

/** The cubic through four values, with a = -1. */
static double cubic(const double v[4], double d) {
    double p2 = -v[0] + v[2], p3 = 2 * (v[0] - v[1]) + v[2] - v[3], p4 = -v[0] + v[1] - v[2] + v[3];
    return v[1] + d * (p2 + d * (p3 + d * p4));
}

static void bicubic_pixel(uint8_t to[3], const taps *t) {
    for (int c = 0; c < 3; c++) {
        double across[4];
        for (int i = 0; i < 4; i++) {
            const double v[4] = {t->row[i][t->at[0] + c], t->row[i][t->at[1] + c], t->row[i][t->at[2] + c],
                                 t->row[i][t->at[3] + c]};
            across[i] = cubic(v, t->dx);
        }
        double v = cubic(across, t->dy);
        to[c] = (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : (int)v);
    }
}

void affine_transform(uint8_t *pixels, uint8_t *scratch, int size, const affine *a, bool bicubic,
                      const uint8_t fill[3]) {
    const double *m = a->m;
    size_t row = (size_t)size * 3;
    int first = bicubic ? 0 : 1, end = bicubic ? 4 : 3;
    memcpy(scratch, pixels, row * (size_t)size);
    for (int y = 0; y < size; y++) {
        double y_x = m[1] * (y + 0.5), y_y = m[4] * (y + 0.5);
        uint8_t *to = pixels + (size_t)y * row;
        for (int x = 0; x < size; x++, to += 3) {
            double from_x = m[0] * (x + 0.5) + y_x + m[2], from_y = m[3] * (x + 0.5) + y_y + m[5];
            if (!(from_x >= 0 && from_x < size && from_y >= 0 && from_y < size)) {
                memcpy(to, fill, 3);
                continue;
            }
            int left = floor_int(from_x - 0.5), top = floor_int(from_y - 0.5);
            taps t = {.dx = from_x - 0.5 - left, .dy = from_y - 0.5 - top};
            for (int i = first; i < end; i++) {
                t.row[i] = scratch + (size_t)clamp(top + i - 1, size - 1) * row;
                t.at[i] = clamp(left + i - 1, size - 1) * 3;
            }
            if (bicubic)
                bicubic_pixel(to, &t);
            else
                bilinear(to, &t);
        }
    }
}

void affine_shift(uint8_t *pixels, uint8_t *scratch, int size, int x, int y) {
    size_t row = (size_t)size * 3;
    int first = x > 0 ? x : 0, end = x < 0 ? size + x : size;
    memcpy(scratch, pixels, row * (size_t)size);
    memset(pixels, 0, row * (size_t)size);
    for (int to = y > 0 ? y : 0; to < (y < 0 ? size + y : size) && first < end; to++)
        memcpy(pixels + (size_t)to * row + (size_t)first * 3,
               scratch + (size_t)(to - y) * row + (size_t)(first - x) * 3, (size_t)(end - first) * 3);
}
