/* Partial decoding against full decoding for every JPEG layout; the geometry of the transforms; their random draws. */

#include "check.h"

#include "loader/image_files.inc.c"
#include "loader/transform.h"

static const jpeg_layout layouts[] = {
    {.components = 1, .h = 1, .v = 1},
    {.components = 1, .h = 2, .v = 2},
    {.components = 3, .h = 1, .v = 1},
    {.components = 3, .h = 2, .v = 1},
    {.components = 3, .h = 2, .v = 2},
    {.components = 3, .h = 1, .v = 2},
    {.components = 3, .h = 4, .v = 1},
    {.components = 3, .h = 4, .v = 2},
    {.components = 3, .h = 2, .v = 2, .restart = 3},
    {.components = 3, .h = 1, .v = 1, .restart = 7},
    {.components = 3, .h = 2, .v = 2, .progressive = true},
    {.components = 3, .h = 2, .v = 1, .progressive = true, .restart = 5},
    {.components = 3, .h = 1, .v = 1, .progressive = true},
    {.components = 3, .h = 2, .v = 2, .separate_scans = true},
    {.components = 3, .h = 1, .v = 2, .separate_scans = true},
    {.components = 3, .h = 2, .v = 2, .arithmetic = true},
    {.components = 3, .h = 2, .v = 2, .arithmetic = true, .progressive = true},
    {.components = 4, .h = 1, .v = 1},
    {.components = 4, .h = 2, .v = 2, .ycck = true},
};
#define LAYOUTS (sizeof layouts / sizeof layouts[0])

static int setup(void **state) { return decoder_create((decoder **)state, NULL); }

static int teardown(void **state) {
    decoder_destroy(*state);
    return 0;
}

/** A crop of the whole image as a binary PPM. Partial decoding is compared to it, with the same resampler. */
static unsigned char *crop_as_ppm(size_t *n, const uint8_t *whole, int w, crop_box box) {
    char header[64];
    int header_n = snprintf(header, sizeof header, "P6 %d %d 255\n", box.w, box.h);
    *n = (size_t)header_n + (size_t)box.w * (size_t)box.h * 3;
    unsigned char *ppm = malloc(*n);
    assert_non_null(ppm);
    memcpy(ppm, header, (size_t)header_n);
    for (int y = 0; y < box.h; y++)
        memcpy(ppm + header_n + (size_t)y * box.w * 3, whole + ((size_t)(box.y + y) * w + box.x) * 3,
               (size_t)box.w * 3);
    return ppm;
}

static void check_crop(decoder *d, const unsigned char *jpeg, size_t n, const uint8_t *whole, int w, crop_box box,
                       int size, const char *what) {
    size_t ppm_n = 0, bytes = (size_t)size * (size_t)size * 3;
    unsigned char *ppm = crop_as_ppm(&ppm_n, whole, w, box);
    uint8_t *part = malloc(bytes), *expected = malloc(bytes);
    resizing how = {.filter = (resample_filter)(box.w % 3),
                    .order = box.h % 4 == 0 ? RESIZE_HORIZONTAL : RESIZE_NEWEST};
    assert_ok(transform_decode_crop(part, d, jpeg, n, "part", box, size, false, how));
    assert_ok(
        transform_decode_crop(expected, d, ppm, ppm_n, "whole", (crop_box){0, 0, box.w, box.h}, size, false, how));
    if (memcmp(part, expected, bytes) != 0)
        fail_msg("%s: crop %d,%d %dx%d to %d differs from the full decode", what, box.x, box.y, box.w, box.h, size);
    free(part);
    free(expected);
    free(ppm);
}

static crop_box random_box(random_stream *r, int w, int h) {
    crop_box b = {.w = 1 + (int)random_below(r, (uint64_t)w), .h = 1 + (int)random_below(r, (uint64_t)h)};
    b.x = (int)random_below(r, (uint64_t)(w - b.w) + 1);
    b.y = (int)random_below(r, (uint64_t)(h - b.h) + 1);
    return b;
}

static void check_layout(decoder *d, size_t layout, int w, int h, int crops) {
    char what[64];
    size_t n = 0;
    unsigned char *jpeg = make_jpeg(&n, &layouts[layout], w, h, (unsigned)layout);
    const uint8_t *pixels = NULL;
    int got_w = 0, got_h = 0;
    snprintf(what, sizeof what, "layout %zu, %d x %d", layout, w, h);
    assert_ok(decoder_decode_full(&pixels, &got_w, &got_h, d, jpeg, n, what));
    assert_int_equal(got_w, w);
    assert_int_equal(got_h, h);
    uint8_t *whole = malloc((size_t)w * (size_t)h * 3);
    memcpy(whole, pixels, (size_t)w * (size_t)h * 3);
    random_stream r = random_open(3, 0, layout, RANDOM_TEST);
    for (int i = 0; i < crops; i++) {
        crop_box box = random_box(&r, w, h);
        /* at the size of the crop there is no resampling, so every pixel is compared */
        int size = i % 2 ? (box.w > box.h ? box.w : box.h) : 9;
        check_crop(d, jpeg, n, whole, w, box, size, what);
    }
    free(whole);
    free(jpeg);
}

static void partial_decoding_equals_full_decoding(void **state) {
    const int sizes[][2] = {{150, 131}, {64, 48}, {33, 17}, {7, 90}, {3, 2}, {1, 1}, {200, 5}};
    for (size_t l = 0; l < LAYOUTS; l++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            check_layout(*state, l, sizes[s][0], sizes[s][1], s == 0 ? 24 : 8);
}

/* Whether a truncated file is refused does not depend on the crop. */
static void truncated_files_have_the_same_result_for_all_crops(void **state) {
    uint8_t pixels[8 * 8 * 3];
    for (size_t l = 0; l < LAYOUTS; l++) {
        size_t n = 0;
        unsigned char *jpeg = make_jpeg(&n, &layouts[l], 60, 50, 1);
        int refused = 0;
        for (size_t cut = 0; cut < n; cut += 1 + n / 60) {
            unsigned char *part = malloc(cut + 2);
            memcpy(part, jpeg, cut);
            for (int end = 0; end < 2; end++) { /* without and with an end marker */
                part[cut] = 0xFF;
                part[cut + 1] = 0xD9;
                size_t part_n = cut + (end ? 2 : 0);
                const uint8_t *whole = NULL;
                int w = 0, h = 0;
                int rc = decoder_decode_full(&whole, &w, &h, *state, part, part_n, "cut");
                refused += rc < 0;
                if (rc == 0)
                    assert_true(end);
                if (rc == 0 && w == 60) {
                    assert_ok(transform_decode_crop(pixels, *state, part, part_n, "cut", (crop_box){4, 0, 9, 5}, 8, 0,
                                                    (resizing){0}));
                } else if (rc < 0) {
                    int top = transform_decode_crop(pixels, *state, part, part_n, "cut", (crop_box){4, 0, 9, 5}, 8, 0,
                                                    (resizing){0});
                    assert_int_equal(top, rc);
                }
            }
            free(part);
        }
        assert_true(refused > 10);
        free(jpeg);
    }
}

/* A file without tables must not be decoded with those of the previous image. */
static void images_do_not_depend_on_the_previous_one(void **state) {
    size_t n = 0;
    const uint8_t *pixels = NULL;
    int w = 0, h = 0;
    unsigned char *jpeg = make_jpeg(&n, &layouts[2], 40, 40, 1), *bare = malloc(n);
    size_t bare_n = 0;
    memcpy(bare, jpeg, 2);
    bare_n = 2;
    for (size_t i = 2; i + 4 <= n;) { /* all segments except the quantisation tables */
        size_t length = 2 + ((size_t)jpeg[i + 2] << 8 | jpeg[i + 3]);
        length = jpeg[i + 1] == 0xDA ? n - i : length;
        if (jpeg[i + 1] != 0xDB) {
            memcpy(bare + bare_n, jpeg + i, length);
            bare_n += length;
        }
        i += length;
    }
    assert_true(bare_n < n);
    assert_ok(decoder_decode_full(&pixels, &w, &h, *state, jpeg, n, "whole"));
    assert_fails(E_FORMAT, "bare", decoder_decode_full(&pixels, &w, &h, *state, bare, bare_n, "bare"));
    free(jpeg);
    free(bare);
}

static void crops_outside_are_refused(void **state) {
    size_t n = 0;
    uint8_t pixels[4 * 4 * 3];
    unsigned char *jpeg = make_jpeg(&n, &layouts[2], 20, 10, 1);
    const crop_box boxes[] = {{-1, 0, 5, 5}, {0, -1, 5, 5}, {16, 0, 5, 5}, {0, 6, 5, 5}, {0, 0, 0, 5}, {0, 0, 5, -5}};
    for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++)
        assert_fails(E_SHAPE, "x.jpg",
                     transform_decode_crop(pixels, *state, jpeg, n, "x.jpg", boxes[i], 4, false, (resizing){0}));
    assert_ok(
        transform_decode_crop(pixels, *state, jpeg, n, "x.jpg", (crop_box){15, 5, 5, 5}, 4, false, (resizing){0}));
    free(jpeg);
}

static void random_crops_have_the_distribution_of_torchvision(void **state) {
    (void)state;
    transform t = transform_default(true, 224, 256);
    double area_sum = 0, ratio_sum = 0;
    const int draws = 4000;
    for (int i = 0; i < draws; i++) {
        random_stream r = random_open(5, 1, (uint64_t)i, RANDOM_CROP);
        crop_box b = transform_random_resized_crop(&t, 1000, 900, &r);
        assert_true(b.x >= 0 && b.y >= 0 && b.w > 0 && b.h > 0 && b.x + b.w <= 1000 && b.y + b.h <= 900);
        double area = (double)b.w * b.h / 900000, ratio = (double)b.w / b.h;
        assert_true(area > 0.079 && area <= 1 && ratio > 0.745 && ratio < 1.341);
        area_sum += area;
        ratio_sum += log(ratio);
    }
    /* the means of 20,000 draws of torchvision's get_params for this size: 0.472 and 0.0155 */
    assert_true(fabs(area_sum / draws - 0.472) < 0.015);
    assert_true(fabs(ratio_sum / draws - 0.0155) < 0.012);
}

/* For a very long image all ten draws fail. The fallback is the central crop, rounded as Python's round() does. */
static void the_fallback_is_central(void **state) {
    (void)state;
    transform t = transform_default(true, 224, 256);
    random_stream r = random_open(1, 0, 0, RANDOM_CROP);
    crop_box wide = transform_random_resized_crop(&t, 3000, 30, &r);
    assert_int_equal(wide.h, 30);
    assert_int_equal(wide.w, 40);
    assert_int_equal(wide.x, 1480);
    assert_int_equal(wide.y, 0);
    crop_box tall = transform_random_resized_crop(&t, 31, 3000, &r);
    assert_int_equal(tall.w, 31);
    assert_int_equal(tall.h, 41); /* 41.33 */
    assert_int_equal(tall.y, 1479);
    t.scale[0] = t.scale[1] =
        4; /* the crop never fits: the fallback is the full image, because its aspect ratio is allowed */
    crop_box all = transform_random_resized_crop(&t, 100, 90, &r);
    assert_true(all.x == 0 && all.y == 0 && all.w == 100 && all.h == 90);
}

/** Training draws the crop, then the flip. The image equals that of transform_decode_crop with these draws. */
static void training_is_crop_and_flip(void **state) {
    size_t n = 0;
    unsigned char *jpeg = make_jpeg(&n, &layouts[4], 180, 140, 9);
    uint8_t got[32 * 32 * 3], expected[32 * 32 * 3];
    transform t = transform_default(true, 32, 37);
    int flips = 0;
    for (unsigned i = 0; i < 40; i++) {
        random_stream r = random_open(4, 2, i, RANDOM_CROP), again = r;
        assert_ok(transform_decode(got, *state, jpeg, n, "x", &t, &r));
        crop_box box = transform_random_resized_crop(&t, 180, 140, &again);
        bool flip = random_unit(&again) < 0.5;
        flips += flip;
        assert_ok(transform_decode_crop(expected, *state, jpeg, n, "x", box, 32, flip, (resizing){0}));
        assert_memory_equal(got, expected, sizeof got);
        assert_int_equal(random_u32(&r), random_u32(&again));
    }
    assert_true(flips > 5 && flips < 35);
    transform val = transform_default(false, 32, 37);
    t.augment = false;
    random_stream r = random_open(4, 2, 0, RANDOM_CROP), untouched = r;
    assert_ok(transform_decode(got, *state, jpeg, n, "x", &t, &r));
    assert_ok(transform_decode(expected, *state, jpeg, n, "x", &val, NULL));
    assert_memory_equal(got, expected, sizeof got);
    assert_memory_equal(&r, &untouched, sizeof r);
    free(jpeg);
}

/** The pixel (x, y) of make_gradient, or black outside it. */
static void gradient_pixel(uint8_t out[3], int x, int y, int w, int h) {
    bool in = x >= 0 && x < w && y >= 0 && y < h;
    out[0] = in ? (uint8_t)(10 + x) : 0;
    out[1] = in ? (uint8_t)(100 + y) : 0;
    out[2] = in ? (uint8_t)(200 + (x ^ y)) : 0;
}

static size_t make_gradient(unsigned char *ppm, size_t room, int w, int h) {
    size_t n = (size_t)snprintf((char *)ppm, room, "P6 %d %d 255\n", w, h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, n += 3)
            gradient_pixel(ppm + n, x, y, w, h);
    assert_true(n <= room);
    return n;
}

/** pad_crop draws the top, the left and the flips, as RandomCrop and the flips of torchvision do. The shorter side has
 * the size already, so that no pixel is resampled. */
static void pad_crops_are_shifted(void **state) {
    enum { SIZE = 16, W = 20, H = 16, PADDING = 4 };
    unsigned char ppm[64 + W * H * 3];
    size_t n = make_gradient(ppm, sizeof ppm, W, H);
    uint8_t got[SIZE * SIZE * 3], expected[3];
    transform t = transform_default(true, SIZE, SIZE);
    int flips = 0, seen[W + 2 * PADDING - SIZE + 1] = {0};
    t.pad_crop = PADDING;
    t.vertical_flip = 0.25;
    for (unsigned i = 0; i < 400; i++) {
        random_stream r = random_open(4, 2, i, RANDOM_CROP), again = r;
        assert_ok(transform_decode(got, *state, ppm, n, "x", &t, &r));
        int top = (int)random_below(&again, H + 2 * PADDING - SIZE + 1) - PADDING;
        int left = (int)random_below(&again, W + 2 * PADDING - SIZE + 1) - PADDING;
        bool flip = random_unit(&again) < 0.5, vertical = random_unit(&again) < 0.25;
        for (int y = 0; y < SIZE; y++)
            for (int x = 0; x < SIZE; x++) {
                gradient_pixel(expected, left + (flip ? SIZE - 1 - x : x), top + (vertical ? SIZE - 1 - y : y), W, H);
                assert_memory_equal(got + (y * SIZE + x) * 3, expected, 3);
            }
        assert_int_equal(random_u32(&r), random_u32(&again));
        flips += vertical;
        seen[left + PADDING]++;
    }
    assert_true(flips > 70 && flips < 130);
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        assert_true(seen[i] > 10 && seen[i] < 60); /* 31 on average */
}

/** pad_crop of an image that is resized: the image of the validation transform, shifted. */
static void pad_crops_of_large_images_are_resized(void **state) {
    size_t n = 0;
    unsigned char *jpeg = make_jpeg(&n, &layouts[4], 180, 140, 9);
    uint8_t got[32 * 32 * 3], whole[41 * 32 * 3], *resized = NULL;
    int w = 0, h = 0;
    transform t = transform_default(true, 32, 32);
    t.pad_crop = 3;
    t.flip = 0;
    assert_ok(transform_resize(&resized, &w, &h, *state, jpeg, n, "x", 32));
    assert_true(w == 41 && h == 32);
    memcpy(whole, resized, sizeof whole);
    for (unsigned i = 0; i < 20; i++) {
        random_stream r = random_open(5, 2, i, RANDOM_CROP), again = r;
        assert_ok(transform_decode(got, *state, jpeg, n, "x", &t, &r));
        int top = (int)random_below(&again, 32 + 6 - 32 + 1) - 3, left = (int)random_below(&again, 41 + 6 - 32 + 1) - 3;
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++) {
                static const uint8_t black[3] = {0};
                bool in = top + y >= 0 && top + y < h && left + x >= 0 && left + x < w;
                assert_memory_equal(got + (y * 32 + x) * 3, in ? whole + ((top + y) * w + left + x) * 3 : black, 3);
            }
    }
    free(resized);
    free(jpeg);
}

/** With random_filter the filter is drawn between the crop and the flip. */
static void the_filter_is_drawn(void **state) {
    size_t n = 0;
    unsigned char *jpeg = make_jpeg(&n, &layouts[4], 180, 140, 9);
    uint8_t got[32 * 32 * 3], expected[32 * 32 * 3];
    transform t = transform_default(true, 32, 37);
    int bicubic = 0;
    t.random_filter = true;
    for (unsigned i = 0; i < 40; i++) {
        random_stream r = random_open(4, 2, i, RANDOM_CROP), again = r;
        assert_ok(transform_decode(got, *state, jpeg, n, "x", &t, &r));
        crop_box box = transform_random_resized_crop(&t, 180, 140, &again);
        resizing how = {.filter = random_unit(&again) < 0.5 ? RESAMPLE_BILINEAR : RESAMPLE_BICUBIC};
        bicubic += how.filter == RESAMPLE_BICUBIC;
        assert_ok(transform_decode_crop(expected, *state, jpeg, n, "x", box, 32, random_unit(&again) < 0.5, how));
        assert_memory_equal(got, expected, sizeof got);
    }
    assert_true(bicubic > 5 && bicubic < 35);
    free(jpeg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(partial_decoding_equals_full_decoding, setup, teardown),
        cmocka_unit_test_setup_teardown(truncated_files_have_the_same_result_for_all_crops, setup, teardown),
        cmocka_unit_test_setup_teardown(images_do_not_depend_on_the_previous_one, setup, teardown),
        cmocka_unit_test_setup_teardown(crops_outside_are_refused, setup, teardown),
        cmocka_unit_test(random_crops_have_the_distribution_of_torchvision),
        cmocka_unit_test(the_fallback_is_central),
        cmocka_unit_test_setup_teardown(training_is_crop_and_flip, setup, teardown),
        cmocka_unit_test_setup_teardown(pad_crops_are_shifted, setup, teardown),
        cmocka_unit_test_setup_teardown(pad_crops_of_large_images_are_resized, setup, teardown),
        cmocka_unit_test_setup_teardown(the_filter_is_drawn, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
