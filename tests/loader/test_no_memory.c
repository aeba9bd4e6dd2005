#define _GNU_SOURCE
/* Decoding an image without memory: every format, whole and through the transforms. The codecs report a lack of memory
 * as an error of the image (E_FORMAT). A TIFF with JPEG data is left out: libtiff 4.5.0 does not survive that its
 * libjpeg gets no memory. */
#include "no_memory.h"

#include "base/file.h"
#include "loader/transform.h"

static unsigned char *image;
static size_t image_n;

static int decode(void *context) {
    static uint8_t pixels[24 * 24 * 3];
    const char *name = context;
    const uint8_t *whole = NULL;
    int rc = OK, w = 0, h = 0;
    decoder *d = NULL;
    transform val = transform_default(false, 24, 27), train = transform_default(true, 24, 27);
    random_stream r = random_open(1, 0, 0, RANDOM_TEST);
    train.auto_augment.kind = AUGMENT_NONE;
    TRY(decoder_create(&d, NULL));
    TRY(transform_decode(pixels, d, image, image_n, name, &val, NULL));
    TRY(transform_decode(pixels, d, image, image_n, name, &train, &r));
    TRY(decoder_decode_full(&whole, &w, &h, d, image, image_n, name));
done:
    decoder_destroy(d);
    return rc;
}

static void decode_formats(void **state) {
    static const char *const names[] = {"rgb420.jpg", "rgb420p.jpg", "rgba.png",  "interlaced.png", "p8.png",
                                        "rgb.webp",   "rgba.webp",   "rgb.tif",   "gray16.tif",     "turned5.tif",
                                        "p8.bmp",     "rle8.bmp",    "plain.ppm", "gray.pgm",       "bits.pbm"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_BYTES], name[64];
        snprintf(name, sizeof name, "%s", names[i]);
        assert_ok(path_format(path, SOURCE_DIR "/tests/golden/transform_images/%s", name));
        assert_ok(file_read(&image, &image_n, path, 0));
        int rc = decode(name);
        if (rc == E_UNSUPPORTED)
            print_message("%s: built without its codec\n", name);
        else
            print_message("%s: %ld allocations\n", name, no_memory(decode, name, E_FORMAT, NULL));
        free(image);
    }
}

int main(void) {
    no_memory_or_skip();
    const struct CMUnitTest tests[] = {cmocka_unit_test(decode_formats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
