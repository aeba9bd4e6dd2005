/* What data.auto_augment and data.color_jitter do to an image, draws included, against torchvision's and timm's classes
   (tests/golden/augment_policy_make.py); hue and blur alone; the distribution of the draws. */
#include "check.h"
#include "pictures.h"

#include "loader/augment.h"
#include "loader/blur.h"
#include "loader/color.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

enum { SIDE = 33, BYTES = SIDE * SIDE * 3, DRAWS = 40, SIGMAS = 20 };

static uint8_t pixels[BYTES];
static float scratch[BYTES * 6 / sizeof(float) + 1];

#define MEAN                                                                                                           \
    { 124, 116, 104 }

static const struct recipe {
    const char *name;
    augment a;
} recipes[] = {
    {"rand", {.kind = AUGMENT_RAND, .ops = 2, .magnitude = 9}},
    {"trivial", {.kind = AUGMENT_TRIVIAL}},
    {"auto", {.kind = AUGMENT_AUTO}},
    {"augmix", {.kind = AUGMENT_AUGMIX, .severity = 3}},
    {"augmix10", {.kind = AUGMENT_AUGMIX, .severity = 10}},
    {"3a", {.kind = AUGMENT_3}},
    {"3a_jitter", {.kind = AUGMENT_3, .jitter = {0.3, 0.3, 0.3}, .jitter_probability = 1}},
    {"timm", {.kind = AUGMENT_TIMM, .ops = 2, .magnitude = 9, .timm = {0.5, 10, 0.5, true, false, true, MEAN}}},
    {"timm_plain", {.kind = AUGMENT_TIMM, .ops = 3, .magnitude = 6, .timm = {0, 10, 0.8, false, false, false, MEAN}}},
    {"timm_wide",
     {.kind = AUGMENT_TIMM, .ops = 4, .magnitude = 12, .timm = {INFINITY, 14, 1, true, true, false, MEAN}}},
    {"jitter", {.jitter = {0.4, 0.4, 0.4}, .jitter_probability = 1}},
    {"jitter4", {.jitter = {0.4, 0.4, 0.2, 0.1}, .jitter_probability = 1}},
    {"wide", {.jitter = {2, 0, 1.5, 0.5}, .jitter_probability = 1}},
    {"contrastive", {.jitter = {0.8, 0.8, 0.8, 0.2}, .jitter_probability = 0.8, .gray_probability = 0.2}},
};

static const augment *recipe_of(const char *name) {
    size_t i = 0;
    while (i < sizeof recipes / sizeof *recipes && strcmp(recipes[i].name, name) != 0)
        i++;
    assert_true(i < sizeof recipes / sizeof *recipes);
    return &recipes[i].a;
}

static uint64_t hash_of_draws(const char *name, const char *kind, int size) {
    const augment *a = recipe_of(name);
    uint64_t h = FNV_BEGIN;
    assert_true(augment_scratch_bytes(a, size) <= sizeof scratch);
    for (uint64_t i = 0; i < (a->kind == AUGMENT_AUTO || a->kind == AUGMENT_TIMM ? DRAWS * 10 : DRAWS); i++) {
        random_stream r = random_open(7, 0, i, RANDOM_TEST);
        picture(pixels, kind, (uint32_t)size);
        augment_image(pixels, scratch, size, a, &r);
        h = fnv(h, pixels, (size_t)size * (size_t)size * 3);
    }
    return h;
}

static uint64_t hash_of_blur(const char *kind, int size) {
    uint64_t h = FNV_BEGIN;
    for (int i = 0; i < SIGMAS; i++) {
        picture(pixels, kind, (uint32_t)size);
        blur_gaussian(pixels, (uint8_t *)scratch, size, (float)(0.1 + 0.1 * i));
        h = fnv(h, pixels, (size_t)size * (size_t)size * 3);
    }
    return h;
}

/* All colours. */
static uint64_t sum_of_hue(double turns) {
    enum { ROW = 65536 };
    static uint8_t colors[ROW * 3];
    uint64_t sum = 0, i = 0;
    for (int red = 0; red < 256; red++) {
        for (int k = 0; k < ROW; k++) {
            colors[k * 3] = (uint8_t)red;
            colors[k * 3 + 1] = (uint8_t)(k >> 8);
            colors[k * 3 + 2] = (uint8_t)k;
        }
        color_hue(colors, ROW, turns);
        for (int k = 0; k < ROW * 3; k++, i++)
            sum += colors[k] * (i * 0x9E3779B1u & UINT32_MAX);
    }
    return sum;
}

static void test_golden(void **state) {
    (void)state;
    FILE *f = fopen(SOURCE_DIR "/tests/golden/augment_policy_golden.txt", "r");
    char text[160], name[16], kind[16];
    int lines = 0, failures = 0;
    assert_non_null(f);
    while (fgets(text, sizeof text, f) != NULL) {
        uint64_t expected = 0, found = 0;
        double turns = 0;
        int size = 0;
        if (sscanf(text, "draws %15s %15s %d %" SCNx64, name, kind, &size, &expected) == 4)
            found = hash_of_draws(name, kind, size);
        else if (sscanf(text, "blur %15s %d %" SCNx64, kind, &size, &expected) == 3)
            found = hash_of_blur(kind, size);
        else if (sscanf(text, "hue %lf %" SCNx64, &turns, &expected) == 2)
            found = sum_of_hue(turns);
        else
            fail_msg("unknown line: %s", text);
        if (found != expected) {
            failures++;
            print_error("differs: %s", text);
        }
        lines++;
    }
    fclose(f);
    assert_int_equal(lines, (int)(sizeof recipes / sizeof *recipes) * 2 * 4 + 5 * 4 + 3);
    assert_int_equal(failures, 0);
}

static double mean_of(const uint8_t *p) {
    double sum = 0;
    for (int i = 0; i < BYTES; i++)
        sum += p[i];
    return sum / BYTES;
}

/* Probabilities, and the uniform distribution of a factor: of a gray image, whose mean is proportional to it. */
static void test_jitter_draws(void **state) {
    (void)state;
    enum { IMAGES = 4000 };
    const augment a = {.jitter = {0.4}, .jitter_probability = 0.7};
    int changed = 0;
    double sum = 0, low = 1, high = 1;
    for (uint64_t i = 0; i < IMAGES; i++) {
        random_stream r = random_open(3, 0, i, RANDOM_TEST);
        memset(pixels, 150, BYTES);
        augment_image(pixels, scratch, SIDE, &a, &r);
        double factor = mean_of(pixels) / 150;
        changed += factor != 1;
        sum += factor;
        low = factor < low ? factor : low;
        high = factor > high ? factor : high;
    }
    assert_near(changed, 0.7 * IMAGES, 125); /* sd 29; a factor of 1 is rare */
    assert_near(sum / IMAGES, 1, 0.015);     /* sd 0.003; truncation to levels lowers the mean by 0.003 */
    assert_true(low >= 0.593 && low < 0.61 && high <= 1.4 && high > 1.385);
}

/* What is off draws nothing, so that a run without the options has the same crops as before they existed. */
static void test_off(void **state) {
    (void)state;
    const augment a = {.jitter = {0.4, 0.4, 0.4, 0.1}, .severity = 3};
    random_stream r = random_open(3, 0, 0, RANDOM_TEST), before = r;
    uint8_t plain[BYTES];
    picture(plain, "noise", SIDE);
    memcpy(pixels, plain, BYTES);
    augment_image(pixels, scratch, SIDE, &a, &r);
    assert_memory_equal(pixels, plain, BYTES);
    assert_memory_equal(&r, &before, sizeof r);
}

/* 3-Augment: each operation for a third of the images. Solarization leaves dark images as they are; gray and blur do
   not change a gray image. */
static void test_3_draws(void **state) {
    (void)state;
    enum { IMAGES = 3000 };
    const augment a = {.kind = AUGMENT_3};
    int solarized = 0, gray = 0;
    for (uint64_t i = 0; i < IMAGES; i++) {
        random_stream r = random_open(3, 0, i, RANDOM_TEST), again = r;
        memset(pixels, 200, BYTES);
        augment_image(pixels, scratch, SIDE, &a, &r);
        solarized += pixels[0] == 55;
        picture(pixels, "flat", SIDE);
        augment_image(pixels, scratch, SIDE, &a, &again);
        gray += pixels[0] == pixels[1];
    }
    assert_near(solarized, IMAGES / 3.0, 110); /* sd 26 */
    assert_near(gray, IMAGES / 3.0, 110);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_jitter_draws),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_3_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
