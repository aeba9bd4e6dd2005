#include "tools/demo_dataset_draw.h"

#include "base/hash.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define PI 3.14159265f

enum { CHECKERBOARD, CIRCLE, CROSS, DOTS, RING, SPIRAL, SQUARE, STAR, STRIPES, TRIANGLE, BLOB, STROKE };

const char *const demo_dataset_class[DEMO_DATASET_CLASSES] = {"checkerboard", "circle", "cross", "dots",    "ring",
                                                              "spiral",       "square", "star",  "stripes", "triangle"};

typedef struct colour {
    float c[3]; /* 0..255 */
} colour;

typedef struct canvas {
    float *rgb; /* (h, w, 3) */
    int w, h;
    float unit; /* pixels of the shorter side */
} canvas;

/** An object to draw: its kind, frame and colour. Lengths are in pixels. */
typedef struct mark {
    int kind;
    float x, y, cos, sin; /* centre, rotation */
    float size;           /* radius, or half the length of a stroke */
    float pitch;          /* of a texture or the spiral; thickness of a stroke */
    float alpha;          /* opacity */
    colour colour;
    float shade; /* increase in brightness along the mark's x axis */
} mark;

static float uniform(random_stream *r, float low, float high) { return (float)random_uniform(r, low, high); }

/** Signed distance to the nearest border of stripes, which are as wide as their gaps; negative inside a stripe. */
static float stripes(float x, float pitch) {
    float t = x / pitch;
    return (fabsf(t - floorf(t) - 0.5f) - 0.25f) * pitch;
}

static float checkerboard(float x, float y, float pitch) {
    float dx = stripes(x, 2 * pitch), dy = stripes(y, 2 * pitch);
    float d = fminf(fabsf(dx), fabsf(dy));
    return (dx < 0) == (dy < 0) ? -d : d;
}

static float dots(float x, float y, float pitch) {
    float u = x / pitch, v = y / pitch;
    return (hypotf(u - floorf(u) - 0.5f, v - floorf(v) - 0.5f) - 0.3f) * pitch;
}

/** A star with five points: folded by symmetry to half a point, whose side is a line from the tip (size, 0) to the
 *  notch. */
static float star(float x, float y, float size) {
    float angle = fabsf(atan2f(y, x)), radius = hypotf(x, y), fifth = 0.4f * PI;
    angle = fabsf(angle - fifth * roundf(angle / fifth));
    float nx = 0.42f * cosf(fifth / 2), ny = 0.42f * sinf(fifth / 2); /* the notch */
    float ex = nx - 1, ey = ny, length = hypotf(ex, ey);
    float px = radius * cosf(angle) - size, py = radius * sinf(angle);
    return (px * ey - py * ex) / length;
}

static float spiral(float x, float y, float pitch) {
    float turn = hypotf(x, y) / pitch - atan2f(y, x) / (2 * PI);
    return (fabsf(turn - floorf(turn) - 0.5f) - 0.27f) * pitch;
}

/** Signed distance in pixels to the mark's border, negative inside, at coordinates in its own frame. */
static float border(const mark *m, float x, float y) {
    float s = m->size, ax = fabsf(x), ay = fabsf(y), disc = hypotf(x, y) - s;
    switch (m->kind) {
    case CHECKERBOARD: return fmaxf(fmaxf(ax, ay) - s, checkerboard(x, y, m->pitch));
    case CIRCLE: return disc;
    case CROSS: return fminf(fmaxf(ax - s, ay - 0.3f * s), fmaxf(ax - 0.3f * s, ay - s));
    case DOTS: return fmaxf(fmaxf(ax, ay) - s, dots(x, y, m->pitch));
    case RING: return fabsf(disc + 0.22f * s) - 0.22f * s;
    case SPIRAL: return fmaxf(disc, spiral(x, y, m->pitch));
    case SQUARE: return fmaxf(ax, ay) - 0.82f * s;
    case STAR: return star(x, y, s);
    case STRIPES: return fmaxf(fmaxf(ax, ay) - s, stripes(x, m->pitch));
    case TRIANGLE: return fmaxf(-x, 0.5f * x + 0.8660254f * ay) - 0.5f * s;
    default: return hypotf(fmaxf(ax - s, 0), ay) - m->pitch; /* STROKE */
    }
}

/** The fraction of the pixel at (x, y) of its frame that the mark covers. */
static float coverage(const mark *m, float x, float y) {
    if (m->kind == BLOB)
        return expf(-2.5f * (x * x + y * y) / (m->size * m->size));
    return fminf(fmaxf(0.5f - border(m, x, y), 0), 1);
}

static void paint(canvas *c, const mark *m) {
    float reach = 1.5f * m->size + m->pitch + 1; /* a rotated square extends to sqrt(2) times its size */
    int x0 = (int)fmaxf(m->x - reach, 0), x1 = (int)fminf(m->x + reach, (float)(c->w - 1));
    int y0 = (int)fmaxf(m->y - reach, 0), y1 = (int)fminf(m->y + reach, (float)(c->h - 1));
    for (int y = y0; y <= y1; y++) {
        for (int x = x0; x <= x1; x++) {
            float dx = (float)x - m->x, dy = (float)y - m->y;
            float u = dx * m->cos + dy * m->sin, v = dy * m->cos - dx * m->sin;
            float a = m->alpha * coverage(m, u, v);
            if (a <= 0)
                continue;
            float gain = 1 + m->shade * u / m->size;
            float *p = c->rgb + ((size_t)y * (size_t)c->w + (size_t)x) * 3;
            for (int k = 0; k < 3; k++)
                p[k] += a * (m->colour.c[k] * gain - p[k]);
        }
    }
}

static colour any_colour(random_stream *r) {
    return (colour){{uniform(r, 15, 240), uniform(r, 15, 240), uniform(r, 15, 240)}};
}

/** A colour with contrast to `other`. It does not depend on the class, so colours do not reveal the class. */
static colour contrasting_colour(random_stream *r, colour other) {
    for (int tries = 0; tries < 30; tries++) {
        colour a = any_colour(r);
        float d = 0;
        for (int k = 0; k < 3; k++)
            d += (a.c[k] - other.c[k]) * (a.c[k] - other.c[k]);
        if (d > 130 * 130)
            return a;
    }
    float grey = other.c[1] > 127 ? 15 : 240;
    return (colour){{grey, grey, grey}};
}

/** Draws a gradient between two colours in a random direction. @return the middle colour */
static colour paint_background(canvas *c, random_stream *r) {
    colour a = any_colour(r), b = any_colour(r), middle;
    float angle = uniform(r, 0, 2 * PI), dx = cosf(angle), dy = sinf(angle);
    for (int k = 0; k < 3; k++) {
        b.c[k] = a.c[k] + 0.6f * (b.c[k] - a.c[k]);
        middle.c[k] = 0.5f * (a.c[k] + b.c[k]);
    }
    for (int y = 0; y < c->h; y++) {
        for (int x = 0; x < c->w; x++) {
            float t =
                0.5f + 0.5f * (dx * (2.0f * (float)x / (float)c->w - 1) + dy * (2.0f * (float)y / (float)c->h - 1));
            t = fminf(fmaxf(t, 0), 1);
            for (int k = 0; k < 3; k++)
                c->rgb[((size_t)y * (size_t)c->w + (size_t)x) * 3 + (size_t)k] = a.c[k] + t * (b.c[k] - a.c[k]);
        }
    }
    return middle;
}

static mark any_mark(const canvas *c, int kind, random_stream *r) {
    float angle = uniform(r, 0, 2 * PI);
    return (mark){.kind = kind,
                  .x = uniform(r, 0, (float)c->w),
                  .y = uniform(r, 0, (float)c->h),
                  .cos = cosf(angle),
                  .sin = sinf(angle)};
}

static void paint_clutter(canvas *c, random_stream *r) {
    int blobs = 2 + (int)random_below(r, 5), strokes = 2 + (int)random_below(r, 6);
    for (int i = 0; i < blobs + strokes; i++) {
        mark m = any_mark(c, i < blobs ? BLOB : STROKE, r);
        m.colour = any_colour(r);
        m.alpha = uniform(r, 0.15f, 0.45f);
        m.size = c->unit * (i < blobs ? uniform(r, 0.08f, 0.3f) : uniform(r, 0.04f, 0.2f));
        m.pitch = i < blobs ? 0 : c->unit * uniform(r, 0.005f, 0.015f);
        paint(c, &m);
    }
}

static void paint_shape(canvas *c, int kind, colour background, random_stream *r) {
    mark m = any_mark(c, kind, r);
    bool texture = kind == CHECKERBOARD || kind == DOTS || kind == STRIPES;
    m.x = 0.5f * (float)c->w + c->unit * uniform(r, -0.1f, 0.1f);
    m.y = 0.5f * (float)c->h + c->unit * uniform(r, -0.1f, 0.1f);
    m.size = c->unit * uniform(r, 0.28f, 0.42f);
    m.pitch = texture ? m.size * uniform(r, 0.36f, 0.6f) : kind == SPIRAL ? m.size * uniform(r, 0.32f, 0.48f) : 0;
    m.alpha = uniform(r, 0.85f, 1);
    m.colour = contrasting_colour(r, background);
    m.shade = uniform(r, 0, 0.25f);
    paint(c, &m);
}

/** Adds noise, as a sum of four bytes, which is nearly normal, and rounds. */
static void finish(uint8_t *pixels, const canvas *c, random_stream *r) {
    float sigma = uniform(r, 2, 10) / 147.8f; /* deviation of the sum of four bytes */
    uint64_t key = (uint64_t)random_u32(r) << 32 | random_u32(r);
    size_t n = (size_t)c->w * (size_t)c->h * 3;
    for (size_t i = 0; i < n; i++) {
        uint64_t z = splitmix64_high((key + i) * SPLITMIX_STEP); /* Philox would take longer than the drawing */
        int sum = (int)(z >> 56) + (int)(z >> 48 & 255) + (int)(z >> 40 & 255) + (int)(z >> 32 & 255);
        float value = c->rgb[i] + sigma * (float)(sum - 510);
        pixels[i] = (uint8_t)(fminf(fmaxf(value, 0), 255) + 0.5f);
    }
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the canvas draws into scratch */
void demo_dataset_draw(uint8_t *pixels, float *scratch, int w, int h, int kind, random_stream *r) {
    canvas c = {.rgb = scratch, .w = w, .h = h, .unit = (float)(w < h ? w : h)};
    colour background = paint_background(&c, r);
    paint_clutter(&c, r);
    paint_shape(&c, kind, background, r);
    finish(pixels, &c, r);
}
