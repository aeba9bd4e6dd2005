/* The memory of one image in every codec, of all workers together, and after a very large image. */
#define _GNU_SOURCE
#include "check.h"

#include "image/memory_budget.h"
#include "image/rows.h"
#include "loader/image_files.inc.c"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* shadow memory exceeds a limit of the address space, and freed memory is kept for a while */
#else
#define SANITIZED 0
#endif

static int set_up(void **state) { return decoder_create((decoder **)state, NULL); }

static int tear_down(void **state) {
    decoder_destroy(*state);
    return 0;
}

static int decode(decoder *d, const void *bytes, size_t n) {
    const uint8_t *pixels = NULL;
    int w = 0, h = 0;
    return decoder_decode_full(&pixels, &w, &h, d, bytes, n, "x");
}

static void put_le(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

/** A row of 60,000 pixels of 65,535 samples of 16 bits would be 7.9 GB. */
static void test_tiff_samples(void **state) {
    unsigned char tiff[8 + 2 + 12 * 8 + 4 + 64] = "II*\0\x08\0\0\0\x08\0";
    const uint32_t tags[8][3] = {{256, 4, 60000}, {257, 4, 1},   {258, 3, 16},    {259, 3, 32773},
                                 {262, 3, 1},     {273, 4, 110}, {277, 3, 65535}, {279, 4, 64}};
    for (int i = 0; i < 8; i++) {
        put_le(tiff + 10 + 12 * i, tags[i][0] | tags[i][1] << 16);
        put_le(tiff + 14 + 12 * i, 1);
        put_le(tiff + 18 + 12 * i, tags[i][2]);
    }
    int rc = decode(*state, tiff, sizeof tiff);
    if (strstr(status_message(), "built without") != NULL)
        skip();
    assert_int_equal(rc, E_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "65535 samples per pixel"));
}

/** 16 KB of arithmetic-coded data that declare 0.5 GB of coefficients. */
static void test_arithmetic_jpeg(void **state) {
    size_t n = 0, padded = 16 << 10;
    const jpeg_layout layout = {.components = 3, .h = 2, .v = 2, .progressive = true, .arithmetic = true};
    unsigned char *jpeg = make_jpeg(&n, &layout, 64, 64, 1), *bytes = calloc(padded, 1);
    assert_true(n < padded);
    memcpy(bytes, jpeg, n);
    for (size_t i = 2; i + 9 < n; i += 2 + ((size_t)bytes[i + 2] << 8 | bytes[i + 3]))
        if (bytes[i + 1] >= 0xC0 && bytes[i + 1] <= 0xCF && bytes[i + 1] != 0xC4 && bytes[i + 1] != 0xCC) {
            memcpy(bytes + i + 5, (unsigned char[]){13000 >> 8, 13000 & 255, 13000 >> 8, 13000 & 255}, 4);
            break;
        }
    assert_fails(E_FORMAT, "13000 x 13000", decode(*state, bytes, padded));
    free(jpeg);
    free(bytes);
}

/** A bitmap (P4) of side x side pixels, which decodes to 4 bytes per pixel. Free it. */
static unsigned char *make_bitmap(size_t *n, int side) {
    size_t bytes = (size_t)side * (((size_t)side + 7) / 8);
    unsigned char *out = calloc(bytes + 64, 1);
    assert_non_null(out);
    *n = (size_t)snprintf((char *)out, 64, "P4\n%d %d\n", side, side) + bytes;
    return out;
}

/** The memory of a very large image is freed after it, or with the next image. */
static void test_shrinks(void **state) {
    decoder *d = *state;
    size_t n = 0, small_n = 0;
    unsigned char *large = make_bitmap(&n, 5000), *small = make_bitmap(&small_n, 100);
    assert_ok(decode(d, large, n));
    assert_true(d->whole.bytes <= MEMORY_BUDGET_FREE);
    assert_ok(decode(d, small, small_n));
    assert_true(d->work.bytes <= MEMORY_BUDGET_FREE);
    free(large);
    free(small);
}

/** The memory of an image is limited. */
static void test_limit(void **state) {
    (void)state;
    image_limits limits = image_limits_default();
    decoder *d = NULL;
    size_t n = 0;
    unsigned char *bitmap = make_bitmap(&n, 1000);
    limits.max_bytes = 1000 * 1000;
    assert_ok(decoder_create(&d, &limits));
    assert_fails(E_FORMAT, "decoding this image needs 3 MiB", decode(d, bitmap, n));
    decoder_destroy(d);
    free(bitmap);
}

typedef struct image {
    const unsigned char *bytes;
    size_t n;
} image;

static void *decode_twice(void *argument) {
    const image *in = argument;
    decoder *d = NULL;
    int rc = decoder_create(&d, NULL);
    for (int i = 0; rc == OK && i < 2; i++)
        rc = decode(d, in->bytes, in->n);
    decoder_destroy(d);
    return rc == OK ? argument : NULL;
}

/** Four threads decode images of 100 MB: at a time only as many as the budget allows. */
static void test_budget(void **state) {
    (void)state;
    image in = {0};
    unsigned char *bitmap = make_bitmap(&in.n, 5000);
    pthread_t thread[4];
    in.bytes = bitmap;
    size_t before = memory_budget_set((size_t)250 << 20);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, decode_twice, &in), 0);
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(thread[i], &result), 0);
        assert_non_null(result);
    }
    assert_in_range(memory_budget_peak(), (size_t)100000000, (size_t)250 << 20);
    memory_budget_set((size_t)1 << 20); /* a single image may exceed it */
    assert_non_null(decode_twice(&in));
    memory_budget_set(before);
    free(bitmap);
}

/** Too little memory for an image is an error of the image, not of the run. */
static void test_no_memory(void **state) {
    (void)state;
    size_t n = 0;
    if (SANITIZED)
        skip();
    unsigned char *bitmap = make_bitmap(&n, 12000); /* 576 MB */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        decoder *d = NULL;
        struct rlimit limit = {(rlim_t)256 << 20, (rlim_t)256 << 20};
        setrlimit(RLIMIT_AS, &limit);
        bool right = decoder_create(&d, NULL) == OK && decode(d, bitmap, n) == E_FORMAT &&
                     strstr(status_message(), "x: ") != NULL && strstr(status_message(), "not enough memory") != NULL;
        _exit(right ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(bitmap);
}

/* a deflate stream without zlib: 'a's, as matches of 258 bytes at distance 1 */

typedef struct bits {
    unsigned char *out;
    size_t n;
} bits;

static void put_bits(bits *b, unsigned value, int count, bool high_first) {
    for (int i = 0; i < count; i++, b->n++)
        if (value >> (high_first ? count - 1 - i : i) & 1)
            b->out[b->n / 8] |= (unsigned char)(1 << b->n % 8);
}

static void put_be(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

/** A zlib stream of 1 + 258 * matches 'a's. @return its bytes */
static size_t put_letters(unsigned char *out, size_t matches) {
    bits b = {.out = out + 2};
    uint64_t n = 1 + 258 * matches, low = (1 + 97 * n) % 65521, high = (n + 97 * (n * (n + 1) / 2)) % 65521;
    memcpy(out, "\x78\x9c", 2);
    put_bits(&b, 1, 1, false); /* the last block, of fixed codes */
    put_bits(&b, 1, 2, false);
    put_bits(&b, 0x30 + 'a', 8, true);
    for (size_t i = 0; i < matches; i++) {
        put_bits(&b, 0xC5, 8, true); /* 258 bytes ... */
        put_bits(&b, 0, 5, true);    /* ... from 1 back */
    }
    put_bits(&b, 0, 7, true); /* the end */
    unsigned char *end = out + 2 + (b.n + 7) / 8;
    put_be(end, (uint32_t)(high << 16 | low)); /* Adler-32 */
    return (size_t)(end + 4 - out);
}

static uint32_t crc32_of(const unsigned char *p, size_t n) {
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? 0xEDB88320 ^ crc >> 1 : crc >> 1;
    }
    return ~crc;
}

/** @return bytes */
static size_t put_chunk(unsigned char *out, const char *type, const unsigned char *data, size_t n) {
    put_be(out, (uint32_t)n);
    memcpy(out + 4, type, 4);
    memmove(out + 8, data, n);
    put_be(out + 8 + n, crc32_of(out + 4, n + 4));
    return n + 12;
}

/** A PNG of one pixel with 200 compressed texts of 7 MB each: 1.4 GB out of 5 MB. */
static void test_png_texts(void **state) {
    enum { TEXTS = 200, MATCHES = 27000 };
    unsigned char *png = calloc((size_t)16 << 20, 1), *text = calloc((size_t)1 << 20, 1);
    unsigned char header[13] = {0, 0, 0, 1, 0, 0, 0, 1, 8, 2};
    struct rusage before, after;
    size_t n = 8;
    memcpy(png, "\x89PNG\r\n\x1a\n", 8);
    n += put_chunk(png + n, "IHDR", header, sizeof header);
    memcpy(text, "Comment\0", 9);
    size_t text_n = 9 + put_letters(text + 9, MATCHES);
    for (int i = 0; i < TEXTS; i++)
        n += put_chunk(png + n, "zTXt", text, text_n);
    unsigned char pixel[] = "\x78\x9c\x63\x60\x60\x60\x00\x00\x00\x04\x00\x01"; /* zlib's of four zeros */
    n += put_chunk(png + n, "IDAT", pixel, sizeof pixel - 1);
    n += put_chunk(png + n, "IEND", pixel, 0);
    getrusage(RUSAGE_SELF, &before);
    int rc = decode(*state, png, n);
    if (rc != OK && strstr(status_message(), "built without") != NULL)
        skip();
    assert_ok(rc);
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < (SANITIZED ? 400 : 100) << 10);
    free(png);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tiff_samples, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_png_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arithmetic_jpeg, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shrinks, set_up, tear_down),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
