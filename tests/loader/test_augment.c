/* RandAugment and TrivialAugment: every operation's bytes against torchvision's (tests/golden/augment_make.py), the
   distribution of the draws. */
#include "check.h"
#include "pictures.h"

#include "base/file.h"
#include "loader/transform.h"

#include <inttypes.h>
#include <stdbool.h>

enum { SIZE = 32, BYTES = SIZE * SIZE * 3 };

static const char *const ops[AUGMENT_OPS] = {"Identity",  "ShearX",     "ShearY",       "TranslateX", "TranslateY",
                                             "Rotate",    "Brightness", "Color",        "Contrast",   "Sharpness",
                                             "Posterize", "Solarize",   "AutoContrast", "Equalize"};

static augment_op op_of(const char *name) {
    int op = 0;
    while (op < AUGMENT_OPS && strcmp(ops[op], name) != 0)
        op++;
    assert_true(op < AUGMENT_OPS);
    return (augment_op)op;
}

/* All bins of an operation, each on the same image. */
static uint64_t hash_of(augment_kind kind, augment_op op, const char *image, int size, int sign) {
    uint8_t pixels[BYTES], scratch[BYTES];
    uint64_t h = FNV_BEGIN;
    bool has_bins = augment_magnitude(kind, op, 1, size) != 0;
    for (int bin = 0; bin < (has_bins ? AUGMENT_BINS : 1); bin++) {
        picture(pixels, image, (uint32_t)size);
        augment_apply(pixels, scratch, size, (augment_choice){op, sign * augment_magnitude(kind, op, bin, size)});
        h = fnv(h, pixels, (size_t)size * (size_t)size * 3);
    }
    return h;
}

static void test_golden(void **state) {
    (void)state;
    FILE *f = fopen(SOURCE_DIR "/tests/golden/augment_golden.txt", "r");
    char text[160], policy[16], name[16], image[16], rest[80];
    int lines = 0, size = 0, failures = 0;
    assert_non_null(f);
    while (fgets(text, sizeof text, f) != NULL) {
        assert_int_equal(sscanf(text, "%15s %15s %15s %d %79[^\n]", policy, name, image, &size, rest), 5);
        augment_kind kind = strcmp(policy, "rand") == 0 ? AUGMENT_RAND : AUGMENT_TRIVIAL;
        augment_op op = op_of(name);
        bool same = false;
        if (strcmp(image, "magnitudes") == 0) {
            double m[3];
            assert_int_equal(sscanf(rest, "%lf %lf %lf", &m[0], &m[1], &m[2]), 3);
            same = augment_magnitude(kind, op, 1, size) == m[0] && augment_magnitude(kind, op, 9, size) == m[1] &&
                   augment_magnitude(kind, op, 20, size) == m[2];
        } else {
            uint64_t expected = 0;
            int sign = 0;
            assert_int_equal(sscanf(rest, "%d %" SCNx64, &sign, &expected), 2);
            same = hash_of(kind, op, image, size, sign) == expected;
        }
        if (!same) {
            failures++;
            print_error("differs: %s", text);
        }
        lines++;
    }
    fclose(f);
    assert_true(lines > 400);
    assert_int_equal(failures, 0);
}

/* Operations, bins and signs are uniformly distributed, as with torch.randint. */
static void test_draws(void **state) {
    (void)state;
    enum { DRAWS = 42000 };
    static int count[AUGMENT_OPS], bins[AUGMENT_BINS];
    const augment trivial = {.kind = AUGMENT_TRIVIAL};
    int negative = 0, shears = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        random_stream r = random_open(7, 0, i, RANDOM_TEST);
        augment_choice c = augment_draw(&trivial, SIZE, &r);
        count[c.op]++;
        if (c.op == AUGMENT_SHEAR_X) {
            int bin = 0;
            while (augment_magnitude(AUGMENT_TRIVIAL, c.op, bin, SIZE) != fabs(c.magnitude))
                assert_true(++bin < AUGMENT_BINS);
            bins[bin]++;
            shears++;
            negative += signbit(c.magnitude) != 0;
        }
        if (c.op == AUGMENT_POSTERIZE)
            assert_true(c.magnitude >= 2 && c.magnitude <= 8);
    }
    for (int op = 0; op < AUGMENT_OPS; op++)
        assert_near((double)count[op], DRAWS / AUGMENT_OPS, 250); /* sd 53 */
    for (int bin = 0; bin < AUGMENT_BINS; bin++)
        assert_near((double)bins[bin], (double)shears / AUGMENT_BINS, 50); /* sd 10 */
    assert_near((double)negative, (double)shears / 2, 140);                /* sd 27 */
}

static void test_rand_has_its_magnitude(void **state) {
    (void)state;
    const augment a = {.kind = AUGMENT_RAND, .ops = 2, .magnitude = 9};
    int positive = 0, n = 0;
    for (uint64_t i = 0; i < 4000; i++) {
        random_stream r = random_open(7, 0, i, RANDOM_TEST);
        augment_choice c = augment_draw(&a, 224, &r);
        assert_true(fabs(c.magnitude) == augment_magnitude(AUGMENT_RAND, c.op, 9, 224));
        n += c.op == AUGMENT_ROTATE;
        positive += c.op == AUGMENT_ROTATE && c.magnitude > 0;
    }
    assert_near((double)positive, n / 2.0, 45);
    assert_near(augment_magnitude(AUGMENT_RAND, AUGMENT_TRANSLATE_X, 30, 331), 150, 1e-5);
}

/* transform_decode: the operations follow crop and flip and use the next draws; validation and a given crop have none.
 */
static void test_after_the_flip(void **state) {
    (void)state;
    uint8_t plain[BYTES], pixels[BYTES], scratch[BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    decoder *d = NULL;
    image_limits limits = image_limits_default();
    transform t = transform_default(true, SIZE, SIZE);
    const augment a = {.kind = AUGMENT_RAND, .ops = 3, .magnitude = 9};
    const erase e = {.probability = 0.5, .fill = {124, 116, 104}};
    assert_ok(file_read(&bytes, &n, SOURCE_DIR "/tests/golden/transform_images/rgb420.jpg", 0));
    assert_ok(decoder_create(&d, &limits));
    for (uint64_t i = 0; i < 20; i++) {
        random_stream first = random_open(1, 0, i, RANDOM_CROP), second = first;
        t.auto_augment = (augment){.kind = AUGMENT_NONE};
        t.erase = (erase){.probability = 0};
        assert_ok(transform_decode(plain, d, bytes, n, "image", &t, &first));
        for (int k = 0; k < a.ops; k++)
            augment_apply(plain, scratch, SIZE, augment_draw(&a, SIZE, &first));
        erase_random(plain, SIZE, &e, &first);
        t.auto_augment = a;
        t.erase = e;
        assert_ok(transform_decode(pixels, d, bytes, n, "image", &t, &second));
        assert_memory_equal(pixels, plain, BYTES);
    }
    t.training = false;
    assert_ok(transform_decode(pixels, d, bytes, n, "image", &t, NULL));
    decoder_destroy(d);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_rand_has_its_magnitude),
        cmocka_unit_test(test_after_the_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
