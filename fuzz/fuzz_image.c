/* An image decoder, through the val transform and a random crop. FUZZ_SUFFIX selects the format: one program each. One
 * input of eight runs with the default limit of pixels, so that large images are decoded, within a budget of memory. */

#include "base/hash.h"
#include "base/status.h"
#include "image/memory_budget.h"
#include "loader/transform.h"

#include <stdlib.h>
#include <string.h>

#define SIDE 24
#define LARGE_BYTES ((size_t)128 << 20) /* what one image may take */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static uint8_t pixels[SIDE * SIDE * 3];

static void decode_small(const uint8_t *bytes, size_t n) {
    static decoder *d;
    image_limits limits = image_limits_default();
    limits.max_pixels = 1 << 20; /* so small that declared sizes take no time */
    limits.max_scans = 20;
    limits.max_file_bytes = 1 << 20;
    limits.max_bytes = LARGE_BYTES; /* a tile may be much larger than the image */
    if (d == NULL && decoder_create(&d, &limits) != OK)
        abort();
    transform val = transform_default(false, SIDE, SIDE + 3), train = transform_default(true, SIDE, SIDE + 3);
    random_stream r = random_open(n, 0, 0, RANDOM_TEST);
    int rc = transform_decode(pixels, d, bytes, n, "fuzz", &val, NULL);
    if (transform_decode(pixels, d, bytes, n, "fuzz", &train, &r) != rc)
        abort(); /* whether a file is refused must not depend on the crop */
    train.fast_decode = true;
    if (transform_decode(pixels, d, bytes, n, "fuzz", &train, &r) != rc)
        abort();
}

static void decode_large(const uint8_t *bytes, size_t n) {
    static decoder *d;
    image_limits limits = image_limits_default();
    limits.max_bytes = LARGE_BYTES;
    limits.max_scans = 5;
    if (d == NULL && decoder_create(&d, &limits) != OK)
        abort();
    transform val = transform_default(false, SIDE, SIDE + 3);
    memory_budget_set(LARGE_BYTES / 2);
    (void)transform_decode(pixels, d, bytes, n, "fuzz", &val, NULL);
    size_t most = memory_budget_peak();
    memory_budget_set(LARGE_BYTES / 2);
    if (most > LARGE_BYTES || memory_budget_peak() != 0)
        abort(); /* the image took more than it may, or its part was not given back */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    const char *suffix = decoder_suffix(bytes, n);
    if (suffix == NULL || strcmp(suffix, FUZZ_SUFFIX) != 0)
        return 0; /* another format: another target's */
    if (hash_words(bytes, n) % 8 == 0)
        decode_large(bytes, n);
    else
        decode_small(bytes, n);
    return 0;
}
