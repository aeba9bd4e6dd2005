/* Every image decoder, through the val transform and a random crop.
 *
 * Build and run (clang; seeds are the files of the bad-jpegs set, and tests/golden/transform_images):
 *     clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -Isrc -DLINNET_PNG=1 -DLINNET_TIFF=1 \
 *         -DLINNET_WEBP=1 $(pkg-config --cflags libpng) fuzz/fuzz_image.c src/base/[a-z]*.c \
 *         src/image/[a-z]*.c src/loader/{transform,augment,erase}.c \
 *         -ljpeg -lpng -ltiff -lwebp -lm -lpthread -o fuzz_image
 *     mkdir -p corpus && ./fuzz_image -max_len=65536 -rss_limit_mb=2048 corpus $(tests/data.sh bad-jpegs) \
 *         tests/golden/transform_images */

#include "base/status.h"
#include "loader/transform.h"

#include <stdlib.h>

#define SIDE 24

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static decoder *d;
    static uint8_t pixels[SIDE * SIDE * 3];
    /* small enough that a claim costs no time */
    image_limits limits = {.max_pixels = 1 << 20, .max_scans = 20, .max_file_bytes = 1 << 20};
    if (d == NULL && decoder_create(&d, &limits) != OK)
        abort();
    transform val = transform_default(false, SIDE, SIDE + 3), train = transform_default(true, SIDE, SIDE + 3);
    random_stream r = random_open(n, 0, 0, RANDOM_TEST);
    int rc = transform_decode(pixels, d, bytes, n, "fuzz", &val, NULL);
    if (transform_decode(pixels, d, bytes, n, "fuzz", &train, &r) != rc)
        abort(); /* the verdict is the file's, not the crop's */
    train.fast_decode = true;
    if (transform_decode(pixels, d, bytes, n, "fuzz", &train, &r) != rc)
        abort();
    return 0;
}
