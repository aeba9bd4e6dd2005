/* timm's RandAugment (rand_augment_transform): its own operations, ranges of magnitudes and draws. */

#include "loader/augment_timm.h"

#include "loader/affine.h"

#include <math.h>

/** In the order of timm's list: a drawn number is an index into it. */
typedef enum timm_op {
    TIMM_AUTO_CONTRAST,
    TIMM_EQUALIZE,
    TIMM_INVERT,
    TIMM_ROTATE,
    TIMM_POSTERIZE,
    TIMM_SOLARIZE,
    TIMM_SOLARIZE_ADD,
    TIMM_COLOR,
    TIMM_CONTRAST,
    TIMM_BRIGHTNESS,
    TIMM_SHARPNESS,
    TIMM_SHEAR_X,
    TIMM_SHEAR_Y,
    TIMM_TRANSLATE_X,
    TIMM_TRANSLATE_Y,
    TIMM_OPS
} timm_op;

/** The magnitude as a fraction of 10. */
static double draw_level(const augment *a, random_stream *r) {
    double m = a->magnitude;
    if (isinf(a->timm.deviation))
        m = random_uniform(r, 0, m);
    else if (a->timm.deviation > 0)
        m += a->timm.deviation * random_normal(r);
    m = m < a->timm.most ? m : a->timm.most;
    return (m > 0 ? m : 0) / 10;
}

static double draw_sign(double v, random_stream *r) { return random_unit(r) > 0.5 ? -v : v; }

/** The factor of an enhancement. */
static double draw_factor(const augment *a, double level, random_stream *r) {
    if (!a->timm.increasing)
        return level * 1.8 + 0.1;
    double factor = 1 + draw_sign(level * 0.9, r);
    return factor > 0.1 ? factor : 0.1;
}

static void geometry(uint8_t *pixels, uint8_t *scratch, int size, const augment *a, timm_op op, double level,
                     random_stream *r) {
    affine t = {{1, 0, 0, 0, 1, 0}};
    double v = draw_sign(level * (op == TIMM_ROTATE ? 30 : op == TIMM_SHEAR_X || op == TIMM_SHEAR_Y ? 0.3 : 0.45), r);
    bool bicubic = a->timm.random_filter ? random_below(r, 2) == 1 : a->timm.bicubic;
    if (op == TIMM_ROTATE)
        t = affine_rotation(v, size);
    else if (op == TIMM_SHEAR_X || op == TIMM_SHEAR_Y)
        t.m[op == TIMM_SHEAR_X ? 1 : 3] = v;
    else
        t.m[op == TIMM_TRANSLATE_X ? 2 : 5] = v * size;
    affine_transform(pixels, scratch, size, &t, bicubic, a->timm.fill);
}

/** Adds to the values below 128. */
static void solarize_add(uint8_t *pixels, int size, double level) {
    size_t n = (size_t)size * (size_t)size * 3;
    int add = (int)(level * 110);
    add = add < 128 ? add : 128;
    for (size_t i = 0; i < n; i++)
        pixels[i] = (uint8_t)(pixels[i] >= 128 ? pixels[i] : pixels[i] + add < 255 ? pixels[i] + add : 255);
}

static void apply(uint8_t *pixels, uint8_t *scratch, int size, const augment *a, timm_op op, random_stream *r) {
    static const augment_op plain[TIMM_OPS] = {[TIMM_AUTO_CONTRAST] = AUGMENT_AUTO_CONTRAST,
                                               [TIMM_EQUALIZE] = AUGMENT_EQUALIZE,
                                               [TIMM_INVERT] = AUGMENT_INVERT,
                                               [TIMM_POSTERIZE] = AUGMENT_POSTERIZE,
                                               [TIMM_SOLARIZE] = AUGMENT_SOLARIZE,
                                               [TIMM_COLOR] = AUGMENT_COLOR,
                                               [TIMM_CONTRAST] = AUGMENT_CONTRAST,
                                               [TIMM_BRIGHTNESS] = AUGMENT_BRIGHTNESS,
                                               [TIMM_SHARPNESS] = AUGMENT_SHARPNESS};
    double level = draw_level(a, r);
    augment_choice c = {.op = plain[op]};
    if (op == TIMM_ROTATE || op >= TIMM_SHEAR_X) {
        geometry(pixels, scratch, size, a, op, level, r);
        return;
    }
    if (op == TIMM_SOLARIZE_ADD) {
        solarize_add(pixels, size, level);
        return;
    }
    if (op == TIMM_POSTERIZE) {
        int bits = a->timm.increasing ? 4 - (int)(level * 4) : (int)(level * 4);
        c.magnitude = bits < 0 ? 0 : bits < 8 ? bits : 8;
    }
    if (op == TIMM_SOLARIZE) {
        double threshold = fmin(256, (int)(level * 256));
        c.magnitude = a->timm.increasing ? 256 - threshold : threshold;
    }
    if (op >= TIMM_COLOR && op <= TIMM_SHARPNESS)
        c.magnitude = draw_factor(a, level, r) - 1;
    augment_apply(pixels, scratch, size, c);
}

void augment_timm_rand(uint8_t *pixels, uint8_t *scratch, int size, const augment *a, random_stream *r) {
    timm_op ops[AUGMENT_TIMM_MAX];
    for (int i = 0; i < a->ops; i++)
        ops[i] = (timm_op)random_below(r, TIMM_OPS);
    for (int i = 0; i < a->ops; i++)
        if (a->timm.probability >= 1 || random_unit(r) <= a->timm.probability)
            apply(pixels, scratch, size, a, ops[i], r);
}
