/* Plain bitmaps (P1): comments between the bits are allowed, as in Pillow. */
#include "check.h"

#include "image/decoder.h"

static void test_comments(void **state) {
    (void)state;
    static const char file[] = "P1 # kind\n2 2\n1 # the first\n0#next\n#two\n01";
    static const uint8_t expected[] = {0, 255, 255, 0};
    const uint8_t *pixels = NULL;
    decoder *d = NULL;
    int w = 0, h = 0;
    assert_ok(decoder_create(&d, NULL));
    assert_ok(decoder_decode_full(&pixels, &w, &h, d, (const unsigned char *)file, sizeof file - 1, "x.pbm"));
    assert_int_equal(w, 2);
    assert_int_equal(h, 2);
    for (int i = 0; i < 12; i++)
        assert_int_equal(pixels[i], expected[i / 3]);
    static const char endless[] = "P1 2 2 10 # 01";
    assert_fails(E_FORMAT, "missing sample",
                 decoder_decode_full(&pixels, &w, &h, d, (const unsigned char *)endless, sizeof endless - 1, "x.pbm"));
    decoder_destroy(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_comments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
