/* Files that are not images, are damaged, or claim sizes that no memory can hold: each is decoded, or refused with
 * one line that contains its name, within bounded memory. */

#include "check.h"

#include "base/file.h"
#include "loader/image_files.inc.c"
#include "loader/transform.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* shadow memory exceeds a limit of the address space, and freed memory is kept for a while */
#else
#define SANITIZED 0
#endif
#define ADDRESS_LIMIT ((rlim_t)512 << 20)
#define RESIDENT_LIMIT_KIB (SANITIZED ? 1200 << 10 : 256 << 10)

static int setup(void **state) { return decoder_create((decoder **)state, NULL); }

static int teardown(void **state) {
    decoder_destroy(*state);
    return 0;
}

static void check_message(int rc, const char *name) {
    const char *message = status_message();
    if (rc == OK)
        return;
    if (rc != E_FORMAT && rc != E_UNSUPPORTED)
        fail_msg("%s: code %d: %s", name, rc, message);
    if (strstr(message, name) == NULL || strchr(message, '\n') != NULL || strlen(message) > 400)
        fail_msg("%s: not one line with the name: %s", name, message);
}

/** All transforms must accept or refuse the same files. `bytes` are copied to a block of this size, so that a read past
 * the end is detected. */
static int decode(decoder *d, const void *bytes, size_t n, const char *name) {
    unsigned char *copy = malloc(n > 0 ? n : 1);
    uint8_t *pixels = malloc(64 * 64 * 3);
    const uint8_t *whole = NULL;
    int w = 0, h = 0;
    memcpy(copy, bytes, n);
    transform val = transform_default(false, 64, 73), train = transform_default(true, 64, 73);
    random_stream r = random_open(1, 0, n, RANDOM_CROP);
    int rc = transform_decode(pixels, d, copy, n, name, &val, NULL);
    check_message(rc, name);
    assert_int_equal(transform_decode(pixels, d, copy, n, name, &train, &r), rc);
    check_message(rc, name);
    int full = decoder_decode_full(&whole, &w, &h, d, copy, n, name);
    assert_int_equal(full, rc);
    free(copy);
    free(pixels);
    return rc;
}

static void every_file_of_the_dataset(void **state) {
    char folder[PATH_BYTES] = "", path[PATH_BYTES];
    FILE *p = popen("bash " SOURCE_DIR "/tests/data.sh bad-jpegs", "r");
    assert_non_null(p);
    bool found = fgets(folder, sizeof folder, p) != NULL;
    if (WEXITSTATUS(pclose(p)) == 77 || !found)
        skip();
    folder[strcspn(folder, "\n")] = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int files = 0, refused = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        unsigned char *bytes = NULL;
        size_t n = 0;
        if (e->d_name[0] == '.')
            continue;
        assert_ok(path_join(path, folder, e->d_name));
        assert_ok(file_read(&bytes, &n, path, 0));
        refused += decode(*state, bytes, n, e->d_name) < 0;
        files++;
        free(bytes);
    }
    closedir(dir);
    print_message("%d files, %d refused\n", files, refused);
    assert_int_equal(files, 164);
    assert_true(refused > 90 && refused < 120);
}

/** A JPEG of SOF3 (lossless) is refused by that name, whatever libjpeg is used. */
static void lossless_jpeg(void **state) {
    const jpeg_layout layout = {.components = 1, .h = 1, .v = 1};
    const uint8_t *pixels = NULL;
    size_t n = 0, at = 2;
    int w = 0, h = 0;
    unsigned char *jpeg = make_jpeg(&n, &layout, 20, 10, 1);
    for (; at + 8 < n && jpeg[at + 1] != 0xDA; at += 2 + ((size_t)jpeg[at + 2] << 8 | jpeg[at + 3]))
        if (jpeg[at + 1] == 0xC0)
            jpeg[at + 1] = 0xC3;
    jpeg[at + 7] = 1; /* the predictor, in place of the first coefficient */
    jpeg[at + 8] = 0;
    assert_fails(E_UNSUPPORTED, "lossless.jpg: a lossless JPEG",
                 decoder_decode_full(&pixels, &w, &h, *state, jpeg, n, "lossless.jpg"));
    free(jpeg);
}

static void no_images(void **state) {
    static const char text[] = "This is no picture.\n";
    assert_int_equal(decode(*state, text, sizeof text - 1, "text.JPEG"), E_FORMAT);
    assert_int_equal(decode(*state, "", 0, "empty.JPEG"), E_FORMAT);
    assert_non_null(strstr(status_message(), "empty"));
    const char *starts[] = {"\xFF\xD8\xFF",
                            "\x89PNG\r\n\x1a\n",
                            "BM",
                            "II*",
                            "RIFF\4\0\0\0WEBP",
                            "P6",
                            "P6 ",
                            "P5 3 3 255",
                            "P3 2 2 255 1 2",
                            "GIF89a",
                            "P6 9999999999999999 1 255 "};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        assert_true(decode(*state, starts[i], strlen(starts[i]) + 1, "start") < 0);
    static const struct {
        const char *start;
        size_t n;
        const char *name;
    } named[] = {{"GIF89a12345", 11, "a GIF"},
                 {"\xFF\x4F\xFF\x51\0\x2F", 6, "a JPEG 2000"},
                 {"PF\n3 3\n-1.0\n", 12, "a PFM"},
                 {"Pf\n3 3\n-1.0\n", 12, "a PFM"},
                 {"\x28\0\0\0\3\0\0\0\3\0\0\0\1\0\x18\0", 16, "a DIB"},
                 {"8BPS\0\1", 6, "a PSD"},
                 {"DDS |\0", 6, "a DDS"},
                 {"qoif\0\0", 6, "a QOI"}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        assert_int_equal(decode(*state, named[i].start, named[i].n, "x.jpg"), E_UNSUPPORTED);
        assert_non_null(strstr(status_message(), named[i].name));
    }
}

static void truncated(void **state) {
    size_t n = 0;
    unsigned char *jpeg = make_jpeg(&n, &(jpeg_layout){.components = 3, .h = 2, .v = 2}, 200, 150, 1);
    assert_int_equal(decode(*state, jpeg, n, "whole.jpg"), OK);
    assert_int_equal(decode(*state, jpeg, n / 2, "half.jpg"), E_FORMAT);
    assert_non_null(strstr(status_message(), "truncated"));
    free(jpeg);
}

/** Puts big-endian w and h into a JPEG's frame header. */
static void claim(unsigned char *jpeg, size_t n, unsigned w, unsigned h) {
    for (size_t i = 2; i + 9 < n; i += 2 + ((size_t)jpeg[i + 2] << 8 | jpeg[i + 3]))
        if (jpeg[i + 1] >= 0xC0 && jpeg[i + 1] <= 0xCF && jpeg[i + 1] != 0xC4 && jpeg[i + 1] != 0xCC) {
            const unsigned char size[4] = {(unsigned char)(h >> 8), (unsigned char)h, (unsigned char)(w >> 8),
                                           (unsigned char)w};
            memcpy(jpeg + i + 5, size, 4);
            return;
        }
    fail_msg("no frame header");
}

static void huge_jpegs(void **state) {
    const jpeg_layout layouts[] = {
        {.components = 3, .h = 2, .v = 2},
        {.components = 3, .h = 2, .v = 2, .progressive = true},
        {.components = 3, .h = 1, .v = 1, .separate_scans = true},
        {.components = 3, .h = 2, .v = 2, .progressive = true, .arithmetic = true},
    };
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        size_t n = 0;
        unsigned char *jpeg = make_jpeg(&n, &layouts[i], 64, 64, 1);
        claim(jpeg, n, 65500, 65500);
        assert_int_equal(decode(*state, jpeg, n, "65500.jpg"), E_FORMAT);
        assert_non_null(strstr(status_message(), "65500 x 65500"));
        claim(jpeg, n, 13000, 13000);
        uint8_t pixels[16 * 16 * 3];
        transform t = transform_default(false, 16, 18);
        int rc = transform_decode(pixels, *state, jpeg, n, "13000.jpg", &t, NULL);
        /* one scan needs a few rows of memory, and is decoded as Pillow does, gray where data are missing */
        assert_int_equal(rc, i == 0 ? OK : E_FORMAT);
        free(jpeg);
    }
}

static void put_le(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static void huge_others(void **state) {
    unsigned char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x32\xC8\0\0\x32\xC8\x08\x02\0\0\0\x9D\xB3\x2A\xC5";
    assert_true(decode(*state, png, sizeof png - 1, "x.png") < 0);
    unsigned char bmp[200] = "BM";
    put_le(bmp + 10, 54);
    put_le(bmp + 14, 40);
    put_le(bmp + 18, 13000);
    put_le(bmp + 22, 13000);
    put_le(bmp + 26, 8 << 16 | 1);
    put_le(bmp + 46, 2);
    for (uint32_t compression = 0; compression < 2; compression++) {
        put_le(bmp + 30, compression);
        assert_int_equal(decode(*state, bmp, sizeof bmp, "x.bmp"), E_FORMAT);
    }
    put_le(bmp + 18, 0x7FFFFFFF);
    put_le(bmp + 22, 0x80000000);
    assert_int_equal(decode(*state, bmp, sizeof bmp, "x.bmp"), E_FORMAT);
    static const char ppm[] = "P6 13000 13000 255 xyz", pbm[] = "P4 13000 13000 xyz";
    assert_int_equal(decode(*state, ppm, sizeof ppm, "x.ppm"), E_FORMAT);
    assert_int_equal(decode(*state, pbm, sizeof pbm, "x.pbm"), E_FORMAT);
    /* lossless WebP: 14 bits each of width - 1 and height - 1 after the signature byte */
    unsigned char webp[] = "RIFF\x1A\0\0\0WEBPVP8L\x0D\0\0\0\x2F\xC7\x32\xB2\x0C\0\0\0\0\0\0\0\0\0\0";
    assert_true(decode(*state, webp, sizeof webp - 1, "x.webp") < 0);
    unsigned char tiff[8 + 2 + 12 * 6 + 4] = "II*\0\x08\0\0\0\x06\0";
    const uint32_t tags[6][3] = {{256, 4, 13000}, {257, 4, 13000}, {258, 3, 8}, {262, 3, 1}, {273, 4, 8}, {279, 4, 9}};
    for (int i = 0; i < 6; i++) {
        put_le(tiff + 10 + 12 * i, tags[i][0] | tags[i][1] << 16);
        put_le(tiff + 14 + 12 * i, 1);
        put_le(tiff + 18 + 12 * i, tags[i][2]);
    }
    assert_true(decode(*state, tiff, sizeof tiff, "x.tif") < 0);
}

/* Files over the caller's limits are refused. */
static void limits(void **state) {
    (void)state;
    image_limits l = image_limits_default();
    decoder *d = NULL;
    uint8_t pixels[8 * 8 * 3];
    transform t = transform_default(false, 8, 9);
    size_t n = 0;
    unsigned char *jpeg =
        make_jpeg(&n, &(jpeg_layout){.components = 3, .h = 1, .v = 1, .progressive = true}, 40, 30, 1);
    l.max_pixels = 40 * 30;
    l.max_scans = 10;
    l.max_file_bytes = n;
    assert_ok(decoder_create(&d, &l));
    assert_ok(transform_decode(pixels, d, jpeg, n, "x.jpg", &t, NULL));
    decoder_destroy(d);
    l.max_scans = 9;
    assert_ok(decoder_create(&d, &l));
    assert_fails(E_FORMAT, "9 scans", transform_decode(pixels, d, jpeg, n, "x.jpg", &t, NULL));
    decoder_destroy(d);
    l = image_limits_default();
    l.max_pixels = 40 * 30 - 1;
    assert_ok(decoder_create(&d, &l));
    assert_fails(E_FORMAT, "40 x 30", transform_decode(pixels, d, jpeg, n, "x.jpg", &t, NULL));
    decoder_destroy(d);
    l = image_limits_default();
    l.max_file_bytes = n - 1;
    assert_ok(decoder_create(&d, &l));
    assert_fails(E_FORMAT, "x.jpg", transform_decode(pixels, d, jpeg, n, "x.jpg", &t, NULL));
    decoder_destroy(d);
    free(jpeg);
}

static void memory_is_bounded(void **state) {
    (void)state;
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    print_message("%ld KiB at most\n", usage.ru_maxrss);
    assert_true(usage.ru_maxrss < RESIDENT_LIMIT_KIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_file_of_the_dataset, setup, teardown),
        cmocka_unit_test_setup_teardown(no_images, setup, teardown),
        cmocka_unit_test_setup_teardown(lossless_jpeg, setup, teardown),
        cmocka_unit_test_setup_teardown(truncated, setup, teardown),
        cmocka_unit_test_setup_teardown(huge_jpegs, setup, teardown),
        cmocka_unit_test_setup_teardown(huge_others, setup, teardown),
        cmocka_unit_test(limits),
        cmocka_unit_test(memory_is_bounded),
    };
    struct rlimit limit = {ADDRESS_LIMIT, ADDRESS_LIMIT};
    if (!SANITIZED && setrlimit(RLIMIT_AS, &limit) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
