/* The committed small images against the results of Pillow (tests/golden/transform_make.py). */

#include "check.h"

#include "base/file.h"
#include "loader/transform.h"

#include <inttypes.h>
#include <stdbool.h>

#define GOLDEN SOURCE_DIR "/tests/golden/"

static uint64_t fnv(const uint8_t *bytes, size_t n) {
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * 0x100000001B3u;
    return h;
}

typedef struct line {
    char kind[8], name[64], filter[16], order[16], expected[32];
    int n[7];
} line;

static bool parse(line *l, const char *text) {
    memset(l, 0, sizeof *l);
    int at = 0, i = 0;
    if (sscanf(text, "%7s %63s%n", l->kind, l->name, &at) != 2)
        return false;
    int numbers = strcmp(l->kind, "crop") == 0 ? 6 : 2, used = 0;
    for (; i < numbers; i++, at += used)
        assert_int_equal(sscanf(text + at, "%d%n", &l->n[i], &used), 1);
    if (strcmp(l->kind, "full") != 0) {
        assert_int_equal(sscanf(text + at, "%15s %15s%n", l->filter, l->order, &used), 2);
        at += used;
    }
    assert_int_equal(sscanf(text + at, "%31s", l->expected), 1);
    return true;
}

static int decode(uint64_t *hash, decoder *d, const line *l, const unsigned char *bytes, size_t n) {
    int rc = OK;
    const uint8_t *whole = NULL;
    uint8_t *pixels = NULL;
    if (strcmp(l->kind, "full") == 0) {
        int w = 0, h = 0;
        TRY(decoder_decode_full(&whole, &w, &h, d, bytes, n, l->name));
        assert_int_equal(w, l->n[0]);
        assert_int_equal(h, l->n[1]);
        *hash = fnv(whole, (size_t)w * (size_t)h * 3);
        return OK;
    }
    bool squash = strcmp(l->kind, "squash") == 0, val = squash || strcmp(l->kind, "val") == 0;
    int size = val ? l->n[0] : l->n[4];
    resizing how = {.filter = strcmp(l->filter, "bicubic") == 0   ? RESAMPLE_BICUBIC
                              : strcmp(l->filter, "lanczos") == 0 ? RESAMPLE_LANCZOS
                                                                  : RESAMPLE_BILINEAR,
                    .order = strcmp(l->order, "horizontal") == 0 ? RESIZE_HORIZONTAL : RESIZE_NEWEST};
    transform t = transform_default(false, size, l->n[1]);
    t.resizing = how;
    t.squash = squash;
    pixels = malloc((size_t)size * (size_t)size * 3); /* exact, for the address sanitizer */
    assert_non_null(pixels);
    if (val)
        TRY(transform_decode(pixels, d, bytes, n, l->name, &t, NULL));
    else
        TRY(transform_decode_crop(pixels, d, bytes, n, l->name, (crop_box){l->n[0], l->n[1], l->n[2], l->n[3]}, size,
                                  l->n[5], how));
    *hash = fnv(pixels, (size_t)size * (size_t)size * 3);
done:
    free(pixels);
    return rc;
}

static void as_pillow(void **state) {
    (void)state;
    FILE *f = fopen(GOLDEN "transform_golden.txt", "r");
    assert_non_null(f);
    decoder *d = NULL;
    assert_ok(decoder_create(&d, NULL));
    char text[256], path[PATH_BYTES];
    int compared = 0, failures = 0, lacking = 0;
    while (fgets(text, sizeof text, f) != NULL) {
        line l;
        if (!parse(&l, text))
            continue;
        unsigned char *bytes = NULL;
        size_t n = 0;
        uint64_t hash = 0;
        assert_ok(path_format(path, "%s%s", GOLDEN "transform_images/", l.name));
        assert_ok(file_read(&bytes, &n, path, 0));
        int rc = decode(&hash, d, &l, bytes, n);
        char found[32];
        snprintf(found, sizeof found, "%016" PRIx64, hash);
        if (rc == E_UNSUPPORTED && strstr(status_message(), "was built without") != NULL) {
            lacking++;
        } else if (strcmp(rc < 0 ? "refused" : found, l.expected) != 0) {
            failures++;
            print_error("%s -> %s\n", text, rc < 0 ? status_message() : found);
        }
        compared++;
        free(bytes);
    }
    fclose(f);
    decoder_destroy(d);
    if (lacking > 0)
        print_message("%d of %d skipped: this build lacks their library\n", lacking, compared);
    assert_true(compared > 400);
    assert_int_equal(failures, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_pillow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
