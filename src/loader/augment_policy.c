/* What is drawn: operations, magnitudes, policies. */

#include "loader/augment.h"

#include "loader/augment_timm.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/** The magnitudes of an operation: a row of torchvision's _augmentation_space, for both policies. */
typedef struct range {
    double low, high;
} range;

typedef struct op_space {
    range rand, trivial;
    bool has_bins, is_signed, of_size; /* of_size: RandAugment's range is a fraction of the image's side */
} op_space;

#define SIGNED .has_bins = true, .is_signed = true

static const op_space spaces[AUGMENT_BLUR + 1] = {
    [AUGMENT_SHEAR_X] = {{0, 0.3}, {0, 0.99}, SIGNED},
    [AUGMENT_SHEAR_Y] = {{0, 0.3}, {0, 0.99}, SIGNED},
    [AUGMENT_TRANSLATE_X] = {{0, 150.0 / 331.0}, {0, 32}, SIGNED, .of_size = true},
    [AUGMENT_TRANSLATE_Y] = {{0, 150.0 / 331.0}, {0, 32}, SIGNED, .of_size = true},
    [AUGMENT_ROTATE] = {{0, 30}, {0, 135}, SIGNED},
    [AUGMENT_BRIGHTNESS] = {{0, 0.9}, {0, 0.99}, SIGNED},
    [AUGMENT_COLOR] = {{0, 0.9}, {0, 0.99}, SIGNED},
    [AUGMENT_CONTRAST] = {{0, 0.9}, {0, 0.99}, SIGNED},
    [AUGMENT_SHARPNESS] = {{0, 0.9}, {0, 0.99}, SIGNED},
    [AUGMENT_POSTERIZE] = {{8, 4}, {8, 2}, .has_bins = true},
    [AUGMENT_SOLARIZE] = {{255, 0}, {255, 0}, .has_bins = true},
};

double augment_magnitude(augment_kind kind, augment_op op, int bin, int size) {
    const op_space *s = &spaces[op];
    if (!s->has_bins)
        return 0;
    range r = kind == AUGMENT_TRIVIAL ? s->trivial : s->rand;
    if (s->of_size && kind != AUGMENT_TRIVIAL)
        r.high = kind == AUGMENT_AUGMIX ? size / 3.0 : r.high * size;
    if (op == AUGMENT_POSTERIZE && kind == AUGMENT_AUGMIX)
        r = (range){4, 0};
    int bins = kind == AUGMENT_AUTO || kind == AUGMENT_AUGMIX ? AUGMENT_COARSE_BINS : AUGMENT_BINS;
    double step = (r.high - r.low) * bin / (bins - 1);
    if (op == AUGMENT_POSTERIZE)
        return r.low + nearbyint(step);
    return (double)(float)(r.low + step);
}

augment_choice augment_draw(const augment *a, int size, random_stream *r) {
    augment_op op = (augment_op)random_below(r, AUGMENT_OPS);
    int bin = a->magnitude;
    if (a->kind == AUGMENT_TRIVIAL && spaces[op].has_bins)
        bin = (int)random_below(r, AUGMENT_BINS);
    double magnitude = augment_magnitude(a->kind, op, bin, size);
    if (spaces[op].is_signed && random_below(r, 2) == 1)
        magnitude = -magnitude;
    return (augment_choice){op, magnitude};
}

/* ---- AutoAugment ---- */

typedef struct policy_step {
    augment_op op;
    double probability;
    int bin;
} policy_step;

#define STEP(op_, probability_, bin_)                                                                                  \
    { AUGMENT_##op_, probability_, bin_ }

/** torchvision's AutoAugmentPolicy.IMAGENET. */
static const policy_step policies[][2] = {
    {STEP(POSTERIZE, 0.4, 8), STEP(ROTATE, 0.6, 9)},  {STEP(SOLARIZE, 0.6, 5), STEP(AUTO_CONTRAST, 0.6, 0)},
    {STEP(EQUALIZE, 0.8, 0), STEP(EQUALIZE, 0.6, 0)}, {STEP(POSTERIZE, 0.6, 7), STEP(POSTERIZE, 0.6, 6)},
    {STEP(EQUALIZE, 0.4, 0), STEP(SOLARIZE, 0.2, 4)}, {STEP(EQUALIZE, 0.4, 0), STEP(ROTATE, 0.8, 8)},
    {STEP(SOLARIZE, 0.6, 3), STEP(EQUALIZE, 0.6, 0)}, {STEP(POSTERIZE, 0.8, 5), STEP(EQUALIZE, 1.0, 0)},
    {STEP(ROTATE, 0.2, 3), STEP(SOLARIZE, 0.6, 8)},   {STEP(EQUALIZE, 0.6, 0), STEP(POSTERIZE, 0.4, 6)},
    {STEP(ROTATE, 0.8, 8), STEP(COLOR, 0.4, 0)},      {STEP(ROTATE, 0.4, 9), STEP(EQUALIZE, 0.6, 0)},
    {STEP(EQUALIZE, 0.0, 0), STEP(EQUALIZE, 0.8, 0)}, {STEP(INVERT, 0.6, 0), STEP(EQUALIZE, 1.0, 0)},
    {STEP(COLOR, 0.6, 4), STEP(CONTRAST, 1.0, 8)},    {STEP(ROTATE, 0.8, 8), STEP(COLOR, 1.0, 2)},
    {STEP(COLOR, 0.8, 8), STEP(SOLARIZE, 0.8, 7)},    {STEP(SHARPNESS, 0.4, 7), STEP(INVERT, 0.6, 0)},
    {STEP(SHEAR_X, 0.6, 5), STEP(EQUALIZE, 1.0, 0)},  {STEP(COLOR, 0.4, 0), STEP(EQUALIZE, 0.6, 0)},
    {STEP(EQUALIZE, 0.4, 0), STEP(SOLARIZE, 0.2, 4)}, {STEP(SOLARIZE, 0.6, 5), STEP(AUTO_CONTRAST, 0.6, 0)},
    {STEP(INVERT, 0.6, 0), STEP(EQUALIZE, 1.0, 0)},   {STEP(COLOR, 0.6, 4), STEP(CONTRAST, 1.0, 8)},
    {STEP(EQUALIZE, 0.8, 0), STEP(EQUALIZE, 0.6, 0)},
};

static void auto_augment(uint8_t *pixels, uint8_t *scratch, int size, random_stream *r) {
    const policy_step *step = policies[random_below(r, sizeof policies / sizeof *policies)];
    double probability[2];
    bool positive[2];
    for (int i = 0; i < 2; i++)
        probability[i] = random_unit(r);
    for (int i = 0; i < 2; i++)
        positive[i] = random_below(r, 2) == 1;
    for (int i = 0; i < 2; i++) {
        if (probability[i] > step[i].probability)
            continue;
        augment_choice c = {step[i].op, augment_magnitude(AUGMENT_AUTO, step[i].op, step[i].bin, size)};
        if (spaces[c.op].is_signed && !positive[i])
            c.magnitude = -c.magnitude;
        augment_apply(pixels, scratch, size, c);
    }
}

/* ---- AugMix ---- */

enum { CHAINS = 3, CHAIN_MAX = 3 };

/** A point of the Dirichlet distribution whose parameters are all 1. */
static void draw_weights(float *weight, int n, random_stream *r) {
    double e[CHAINS], sum = 0;
    for (int i = 0; i < n; i++)
        sum += e[i] = -log(1 - random_unit(r));
    for (int i = 0; i < n; i++)
        weight[i] = (float)(sum > 0 ? e[i] / sum : 1.0 / n);
}

static augment_choice augmix_draw(const augment *a, int size, random_stream *r) {
    static const augment_op ops[] = {AUGMENT_SHEAR_X,  AUGMENT_SHEAR_Y,    AUGMENT_TRANSLATE_X, AUGMENT_TRANSLATE_Y,
                                     AUGMENT_ROTATE,   AUGMENT_POSTERIZE,  AUGMENT_SOLARIZE,    AUGMENT_AUTO_CONTRAST,
                                     AUGMENT_EQUALIZE, AUGMENT_BRIGHTNESS, AUGMENT_COLOR,       AUGMENT_CONTRAST,
                                     AUGMENT_SHARPNESS};
    augment_choice c = {.op = ops[random_below(r, sizeof ops / sizeof *ops)]};
    if (spaces[c.op].has_bins)
        c.magnitude = augment_magnitude(AUGMENT_AUGMIX, c.op, (int)random_below(r, (uint64_t)a->severity), size);
    if (spaces[c.op].is_signed && random_below(r, 2) == 1)
        c.magnitude = -c.magnitude;
    return c;
}

/** scratch: the sums as floats, the image of a chain, and the scratch of its operations. The sums are rounded as those
 * of float tensors, and truncated at the end. */
static void augmix(uint8_t *pixels, void *scratch, int size, const augment *a, random_stream *r) {
    size_t n = (size_t)size * (size_t)size * 3;
    float *sum = scratch, share[2], weight[CHAINS];
    uint8_t *chain = (uint8_t *)(sum + n), *rest = chain + n;
    draw_weights(share, 2, r);
    draw_weights(weight, CHAINS, r);
    for (size_t i = 0; i < n; i++)
        sum[i] = share[0] * (float)pixels[i];
    for (int k = 0; k < CHAINS; k++) {
        float w = weight[k] * share[1];
        int ops = 1 + (int)random_below(r, CHAIN_MAX);
        memcpy(chain, pixels, n);
        for (int i = 0; i < ops; i++)
            augment_apply(chain, rest, size, augmix_draw(a, size, r));
        for (size_t i = 0; i < n; i++)
            sum[i] += w * (float)chain[i];
    }
    for (size_t i = 0; i < n; i++)
        pixels[i] = (uint8_t)sum[i];
}

/* ---- 3-Augment, ColorJitter, RandomGrayscale ---- */

static augment_choice draw_of_3(random_stream *r) {
    switch (random_below(r, 3)) {
    case 0: return (augment_choice){AUGMENT_SOLARIZE, 128};
    case 1: return (augment_choice){AUGMENT_GRAY, 0};
    default: return (augment_choice){AUGMENT_BLUR, random_uniform(r, 0.1, 2.0)};
    }
}

static void color_jitter(uint8_t *pixels, uint8_t *scratch, int size, const augment *a, random_stream *r) {
    static const augment_op ops[4] = {AUGMENT_BRIGHTNESS, AUGMENT_CONTRAST, AUGMENT_COLOR, AUGMENT_HUE};
    int order[4] = {0, 1, 2, 3};
    augment_choice c[4];
    for (int i = 3; i > 0; i--) {
        int j = (int)random_below(r, (uint64_t)i + 1), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
    for (int i = 0; i < 4; i++) {
        double most = a->jitter[i], center = i < 3 ? 1 : 0, low = center - most;
        if (most > 0) /* torchvision's factors are float32; those of PIL's enhancers are not negative */
            c[i] =
                (augment_choice){ops[i], (float)random_uniform(r, i < 3 && low < 0 ? 0 : low, center + most) - center};
    }
    for (int i = 0; i < 4; i++)
        if (a->jitter[order[i]] > 0)
            augment_apply(pixels, scratch, size, c[order[i]]);
}

static bool has_jitter(const augment *a) {
    return a->jitter_probability > 0 && (a->jitter[0] > 0 || a->jitter[1] > 0 || a->jitter[2] > 0 || a->jitter[3] > 0);
}

/* ---- all of them ---- */

size_t augment_scratch_bytes(const augment *a, int size) {
    size_t image = (size_t)size * (size_t)size * 3;
    return a->kind == AUGMENT_AUGMIX ? image * (sizeof(float) + 2) : image;
}

void augment_image(uint8_t *pixels, void *scratch, int size, const augment *a, random_stream *r) {
    int ops = a->kind == AUGMENT_RAND ? a->ops : a->kind == AUGMENT_TRIVIAL ? 1 : 0;
    for (int i = 0; i < ops; i++)
        augment_apply(pixels, scratch, size, augment_draw(a, size, r));
    if (a->kind == AUGMENT_AUTO)
        auto_augment(pixels, scratch, size, r);
    if (a->kind == AUGMENT_AUGMIX)
        augmix(pixels, scratch, size, a, r);
    if (a->kind == AUGMENT_3)
        augment_apply(pixels, scratch, size, draw_of_3(r));
    if (a->kind == AUGMENT_TIMM)
        augment_timm_rand(pixels, scratch, size, a, r);
    if (has_jitter(a) && (a->jitter_probability >= 1 || random_unit(r) < a->jitter_probability))
        color_jitter(pixels, scratch, size, a, r);
    if (a->gray_probability > 0 && random_unit(r) < a->gray_probability)
        augment_apply(pixels, scratch, size, (augment_choice){AUGMENT_GRAY, 0});
}
