/* The audit of one image: grids of JPEGs that are decoded at 1/8, complete but unsupported files, missing end
 * markers. */
#include "check.h"

#include "base/random.h"
#include "image/jpeg_write.h"
#include "tools/audit.h"

enum { COARSE_W = 9, COARSE_H = 7 };

/** A smooth picture of w x h pixels, the same at every size: bilinear between random points. Free it. */
static unsigned char *make_picture(unsigned long *n, int w, int h, uint64_t seed) {
    double point[COARSE_H][COARSE_W];
    random_stream r = random_open(seed, 0, 0, RANDOM_TEST);
    unsigned char *jpeg = NULL;
    uint8_t *rgb = malloc((size_t)w * (size_t)h * 3);
    assert_non_null(rgb);
    for (int y = 0; y < COARSE_H; y++)
        for (int x = 0; x < COARSE_W; x++)
            point[y][x] = random_below(&r, 256);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double u = (x + 0.5) / w * (COARSE_W - 1), v = (y + 0.5) / h * (COARSE_H - 1);
            int i = (int)u, k = (int)v;
            double top = point[k][i] + (point[k][i + 1] - point[k][i]) * (u - i);
            double bottom = point[k + 1][i] + (point[k + 1][i + 1] - point[k + 1][i]) * (u - i);
            memset(rgb + ((size_t)y * (size_t)w + (size_t)x) * 3, (int)(top + (bottom - top) * (v - k)), 3);
        }
    assert_ok(jpeg_encode(&jpeg, n, rgb, w, h, 95));
    free(rgb);
    return jpeg;
}

static audit_image look(const unsigned char *bytes, size_t n, bool quick) {
    audit_image out = {0};
    const char *detail = NULL;
    decoder *d = NULL;
    assert_ok(decoder_create(&d, NULL));
    assert_ok(audit_look(&out, &detail, NULL, d, bytes, n, "x.jpg", quick));
    decoder_destroy(d);
    return out;
}

static int distance(const audit_image *x, const audit_image *y) {
    return __builtin_popcountll(x->hash[0] ^ y->hash[0]) + __builtin_popcountll(x->hash[1] ^ y->hash[1]);
}

/** The same picture at all heights between two multiples of 8, and at other widths: each is a near duplicate. */
static void test_sizes(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        unsigned long n = 0;
        unsigned char *jpeg = make_picture(&n, 200, 200, seed);
        audit_image base = look(jpeg, n, false);
        free(jpeg);
        for (int more = 1; more <= 9; more++)
            for (int wide = 0; wide < 2; wide++) {
                jpeg = make_picture(&n, 200 + wide * more, 200 + more, seed);
                audit_image other = look(jpeg, n, false);
                free(jpeg);
                assert_true(base.seen && other.seen);
                assert_in_range(distance(&base, &other), 0, AUDIT_BITS);
                for (int i = 0; i < AUDIT_GRID * AUDIT_GRID; i++)
                    assert_in_range(abs(base.grid[i] - other.grid[i]), 0, 6);
            }
    }
}

#define HAS(image, kind) ((image).kinds >> (kind)&1)

/** A file that is decoded to its end is complete, with or without an end marker. A GIF is unsupported, not corrupt. */
static void test_damage(void **state) {
    (void)state;
    unsigned long n = 0;
    unsigned char *jpeg = make_picture(&n, 100, 100, 1);
    unsigned char *endless = calloc(n + 64, 1); /* its data, and zeros instead of the marker */
    assert_non_null(endless);
    memcpy(endless, jpeg, n - 2);
    audit_image i = look(endless, n + 64, false);
    assert_false(HAS(i, AUDIT_TRUNCATED) || HAS(i, AUDIT_CORRUPT));
    assert_true(i.seen);
    i = look(endless, n + 64, true); /* without decoding, only the marker is checked */
    assert_true(HAS(i, AUDIT_TRUNCATED));
    i = look(jpeg, n / 2, false);
    assert_true(HAS(i, AUDIT_TRUNCATED));
    static const unsigned char gif[] = "GIF89a\1\0\1\0\200\0\0\0\0\0\377\377\377,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";
    i = look(gif, sizeof gif - 1, false);
    assert_true(HAS(i, AUDIT_UNSUPPORTED));
    assert_false(HAS(i, AUDIT_TRUNCATED) || HAS(i, AUDIT_CORRUPT));
    free(jpeg);
    free(endless);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
