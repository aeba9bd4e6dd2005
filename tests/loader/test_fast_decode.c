/* data.fast_decode: decoding a region at a reduced size equals that of the whole image; its crops differ little from
 * those without the option; and the cases in which it has no effect. */
#include "check.h"

#include "base/file.h"
#include "dataset/dataset.h"
#include "image/jpeg_write.h"
#include "image/rows.h"
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
    {.components = 3, .h = 2, .v = 2, .progressive = true},
    {.components = 3, .h = 1, .v = 1, .progressive = true, .restart = 5},
    {.components = 3, .h = 1, .v = 2, .separate_scans = true},
    {.components = 3, .h = 2, .v = 2, .arithmetic = true},
    {.components = 4, .h = 1, .v = 1},
    {.components = 4, .h = 2, .v = 2, .ycck = true},
};
#define LAYOUTS (sizeof layouts / sizeof layouts[0])

static int setup(void **state) { return decoder_create((decoder **)state, NULL); }

static int teardown(void **state) {
    decoder_destroy(*state);
    return 0;
}

/** The rows of `region` of the image reduced by `by`, region.w * 4 bytes each; the whole image if region.w is 0. The
 * caller frees the result. */
static uint8_t *reduced(decoder *d, const image_bytes *in, int by, crop_box *region) {
    assert_ok(decoder_open(d, in));
    decoder_reduce(d, by);
    if (region->w == 0)
        *region = (crop_box){0, 0, d->w, d->h};
    uint8_t *pixels = malloc((size_t)region->w * (size_t)region->h * 4);
    assert_ok(decoder_begin(d, *region));
    for (int y = 0; y < region->h; y++) {
        const uint8_t *row = NULL;
        assert_ok(decoder_row(d, &row));
        memcpy(pixels + (size_t)y * (size_t)region->w * 4, row, (size_t)region->w * 4);
    }
    assert_ok(decoder_end(d, true));
    return pixels;
}

static crop_box random_box(random_stream *r, int w, int h) {
    crop_box b = {.w = 1 + (int)random_below(r, (uint64_t)w), .h = 1 + (int)random_below(r, (uint64_t)h)};
    b.x = (int)random_below(r, (uint64_t)(w - b.w) + 1);
    b.y = (int)random_below(r, (uint64_t)(h - b.h) + 1);
    return b;
}

static void check_parts(decoder *d, size_t layout, int w, int h, int by) {
    size_t n = 0;
    unsigned char *jpeg = make_jpeg(&n, &layouts[layout], w, h, (unsigned)layout);
    image_bytes in = {.bytes = jpeg, .n = n, .name = "reduced"};
    crop_box all = {0};
    uint8_t *whole = reduced(d, &in, by, &all);
    assert_int_equal(all.w, (w + by - 1) / by);
    assert_int_equal(all.h, (h + by - 1) / by);
    random_stream r = random_open(7, 0, layout, RANDOM_TEST);
    for (int i = 0; i < 12; i++) {
        crop_box box = random_box(&r, all.w, all.h);
        uint8_t *part = reduced(d, &in, by, &box);
        for (int y = 0; y < box.h; y++)
            for (int x = 0; x < box.w * 4; x++)
                if (x % 4 != 3 && part[y * box.w * 4 + x] != whole[((box.y + y) * all.w + box.x) * 4 + x])
                    fail_msg("layout %zu, %dx%d by %d: %d,%d %dx%d differs at %d,%d", layout, w, h, by, box.x, box.y,
                             box.w, box.h, x / 4, y);
        free(part);
    }
    free(whole);
    free(jpeg);
}

static void reduced_region_equals_the_reduced_image(void **state) {
    const int sizes[][2] = {{701, 530}, {640, 480}, {333, 271}, {90, 200}};
    for (size_t l = 0; l < LAYOUTS; l++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int by = 2; by <= 8; by *= 2)
                check_parts(*state, l, sizes[s][0], sizes[s][1], by);
}

/** How two outputs differ: mean over all values, mean with sign, largest. */
typedef struct difference {
    double mean, bias;
    int max;
} difference;

static difference compare(const uint8_t *a, const uint8_t *b, size_t n) {
    difference d = {0};
    for (size_t i = 0; i < n; i++) {
        int x = (int)a[i] - (int)b[i];
        d.mean += abs(x);
        d.bias += x;
        d.max = abs(x) > d.max ? abs(x) : d.max;
    }
    d.mean /= (double)n;
    d.bias /= (double)n;
    return d;
}

/** Decodes the crop of position `place` without and with fast_decode. @return the largest possible reduction */
static int decode_both(difference *out, decoder *d, const image_bytes *in, int size, uint64_t place) {
    size_t bytes = (size_t)size * (size_t)size * 3;
    uint8_t *plain = malloc(bytes), *fast = malloc(bytes);
    transform t = transform_default(true, size, size);
    random_stream r = random_open(11, 0, place, RANDOM_CROP), again = r, third = r;
    assert_false(t.fast_decode);
    assert_ok(transform_decode(plain, d, in->bytes, in->n, in->name, &t, &r));
    t.fast_decode = true;
    assert_ok(transform_decode(fast, d, in->bytes, in->n, in->name, &t, &again));
    assert_int_equal(random_u32(&r), random_u32(&again)); /* the same number of draws */
    assert_ok(decoder_open(d, in));
    crop_box box = transform_random_resized_crop(&t, d->w, d->h, &third);
    bool jpeg = d->by_rows;
    assert_ok(decoder_end(d, false));
    *out = compare(fast, plain, bytes);
    bool flip = random_unit(&third) < t.flip;
    assert_ok(transform_decode_crop(fast, d, in->bytes, in->n, in->name, box, size, flip, (resizing){0}));
    assert_memory_equal(plain, fast, bytes); /* without the option the crop is decoded at full size */
    free(plain);
    free(fast);
    int by = 1;
    while (jpeg && by < 8 && box.w >= 2 * by * size && box.h >= 2 * by * size)
        by *= 2;
    return by;
}

/** A picture without detail: differences are caused by a shift of the reduced pixels, not by the filters. */
static unsigned char *smooth_jpeg(size_t *n, int w, int h) {
    unsigned char *jpeg = NULL;
    unsigned long jpeg_n = 0;
    uint8_t *rgb = malloc((size_t)w * (size_t)h * 3);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                rgb[((size_t)y * (size_t)w + (size_t)x) * 3 + (size_t)c] =
                    (uint8_t)lrint(128 + 60 * sin((x + 40 * c) / 29.0) + 60 * cos(y / 31.0 + c));
    assert_ok(jpeg_encode(&jpeg, &jpeg_n, rgb, w, h, 98));
    free(rgb);
    *n = jpeg_n;
    return jpeg;
}

static void crops_are_not_shifted(void **state) {
    const int sizes[][2] = {{1600, 1203}, {777, 901}, {301, 353}};
    double worst = 0;
    int seen[9] = {0};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t n = 0;
        unsigned char *jpeg = smooth_jpeg(&n, sizes[s][0], sizes[s][1]);
        image_bytes in = {.bytes = jpeg, .n = n, .name = "smooth"};
        for (uint64_t i = 0; i < 40; i++) {
            difference d = {0};
            seen[decode_both(&d, *state, &in, i % 2 ? 80 : 120, i)]++;
            worst = d.mean > worst ? d.mean : worst;
        }
        free(jpeg);
    }
    print_message("smooth pictures: mean difference up to %.3f (reduced by 2, 4, 8: %d, %d, %d times)\n", worst,
                  seen[2], seen[4], seen[8]);
    assert_true(seen[1] > 0 && seen[2] > 10 && seen[4] > 10 && seen[8] > 3);
    assert_true(worst < 1);
}

/** Sums over the crops that were reduced. */
typedef struct tally {
    double mean, bias, worst; /* mean: sum of the means of the crops */
    int n, max, unchanged;
} tally;

static void add(tally *t, decoder *d, const image_bytes *in, int size, uint64_t place) {
    difference one = {0};
    if (decode_both(&one, d, in, size, place) == 1) {
        assert_int_equal(one.max, 0);
        t->unchanged++;
        return;
    }
    assert_true(one.max > 0);
    t->n++;
    t->mean += one.mean;
    t->bias += one.bias;
    t->worst = one.mean > t->worst ? one.mean : t->worst;
    t->max = one.max > t->max ? one.max : t->max;
}

static void report(const char *what, const tally *t) {
    print_message("%s: mean difference %.2f, of a crop at most %.2f, of a value at most %d; signed mean %.2f; %d crops "
                  "reduced, %d not\n",
                  what, t->mean / t->n, t->worst, t->max, t->bias / t->n, t->n, t->unchanged);
}

/* Edges and noise in every layout give larger differences than photos. */
static void synthetic_images_differ_little(void **state) {
    tally t = {0};
    for (size_t l = 0; l < LAYOUTS; l++) {
        size_t n = 0;
        unsigned char *jpeg = make_jpeg(&n, &layouts[l], 640, 500, 3);
        image_bytes in = {.bytes = jpeg, .n = n, .name = "synthetic"};
        for (uint64_t i = 0; i < 24; i++)
            add(&t, *state, &in, i % 3 == 0 ? 224 : i % 3 == 1 ? 48 : 96, i);
        free(jpeg);
    }
    report("synthetic images", &t);
    assert_true(t.n > 100 && t.unchanged > 10);
    assert_true(t.mean / t.n < 6);
    assert_true(t.worst < 20);
}

static void photos_differ_little(void **state) {
    char folder[PATH_BYTES] = "", path[PATH_BYTES];
    FILE *script = popen("bash " SOURCE_DIR "/tests/data.sh clothing", "r");
    assert_non_null(script);
    char *line = fgets(folder, sizeof folder, script);
    if (pclose(script) != 0 || line == NULL)
        skip();
    folder[strcspn(folder, "\n")] = 0;
    dataset *d = NULL;
    tally t = {0};
    assert_ok(dataset_open(&d, folder, "val"));
    for (int64_t i = 0; i < d->image_n; i += 2) {
        image_bytes in = {.name = path};
        unsigned char *bytes = NULL;
        assert_ok(dataset_path(path, d, i));
        assert_ok(file_read(&bytes, &in.n, path, 0));
        in.bytes = bytes;
        add(&t, *state, &in, 112, (uint64_t)i);
        add(&t, *state, &in, 64, (uint64_t)i + 1);
        free(bytes);
    }
    dataset_close(d);
    report("photos", &t);
    assert_true(t.n > 100);
    assert_true(t.mean / t.n < 1.5);
    assert_true(fabs(t.bias / t.n) < 0.2);
    assert_true(t.worst < 8);
}

/* Validation, training without augmentation, other formats: the option has no effect. */
static void only_crops_of_jpegs_in_training(void **state) {
    size_t n = 0;
    unsigned char *jpeg = make_jpeg(&n, &layouts[4], 640, 500, 5);
    static uint8_t plain[32 * 32 * 3], fast[sizeof plain];
    for (int training = 0; training < 2; training++) {
        transform t = transform_default(training != 0, 32, 37);
        t.augment = false;
        random_stream r = random_open(1, 0, 0, RANDOM_CROP);
        assert_ok(transform_decode(plain, *state, jpeg, n, "x", &t, &r));
        t.fast_decode = true;
        assert_ok(transform_decode(fast, *state, jpeg, n, "x", &t, &r));
        assert_memory_equal(plain, fast, sizeof plain);
        t.augment = true; /* has no effect in validation */
        assert_ok(transform_decode(fast, *state, jpeg, n, "x", &t, &r));
        assert_int_equal(memcmp(plain, fast, sizeof plain) != 0, training);
    }
    free(jpeg);
    int header_n = 15;
    unsigned char *ppm = calloc(1, (size_t)header_n + 600 * 600 * 3);
    memcpy(ppm, "P6 600 600 255\n", (size_t)header_n);
    for (unsigned i = 0; i < 600 * 600 * 3; i++)
        ppm[header_n + i] = (unsigned char)(i * i >> 7);
    image_bytes in = {.bytes = ppm, .n = (size_t)header_n + 600 * 600 * 3, .name = "ppm"};
    difference d = {0};
    for (uint64_t i = 0; i < 10; i++) {
        decode_both(&d, *state, &in, 32, i);
        assert_int_equal(d.max, 0);
    }
    free(ppm);
}

/* Whether a truncated file is refused does not depend on the option. */
static void truncated_files_have_the_same_result(void **state) {
    static uint8_t pixels[24 * 24 * 3];
    for (size_t l = 0; l < LAYOUTS; l++) {
        size_t n = 0;
        int refused = 0;
        unsigned char *jpeg = make_jpeg(&n, &layouts[l], 210, 170, 1);
        for (size_t cut = 0; cut < n; cut += 1 + n / 60) {
            unsigned char *part = malloc(cut + 2);
            memcpy(part, jpeg, cut);
            part[cut] = 0xFF;
            part[cut + 1] = 0xD9;
            for (int end = 0; end < 2; end++) { /* without and with an end marker */
                int rc[2];
                for (int fast = 0; fast < 2; fast++) {
                    transform t = transform_default(true, 24, 24);
                    t.fast_decode = fast;
                    random_stream r = random_open(5, 0, cut, RANDOM_CROP);
                    rc[fast] = transform_decode(pixels, *state, part, cut + (end ? 2 : 0), "cut", &t, &r);
                }
                assert_int_equal(rc[0], rc[1]);
                refused += rc[0] < 0;
            }
            free(part);
        }
        assert_true(refused > 10);
        free(jpeg);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reduced_region_equals_the_reduced_image, setup, teardown),
        cmocka_unit_test_setup_teardown(crops_are_not_shifted, setup, teardown),
        cmocka_unit_test_setup_teardown(synthetic_images_differ_little, setup, teardown),
        cmocka_unit_test_setup_teardown(photos_differ_little, setup, teardown),
        cmocka_unit_test_setup_teardown(only_crops_of_jpegs_in_training, setup, teardown),
        cmocka_unit_test_setup_teardown(truncated_files_have_the_same_result, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
