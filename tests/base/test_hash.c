#include "check.h"

#include "base/hash.h"

/** The test vectors of the FNV authors. A text hashed in parts gives the same value as at once. */
static void fnv(void **state) {
    (void)state;
    assert_true(hash_bytes(HASH_START, "", 0) == 0xcbf29ce484222325u);
    assert_true(hash_bytes(HASH_START, "a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(hash_bytes(HASH_START, "foobar", 6) == 0x85944171f73967e8u);
    assert_true(hash_bytes(hash_bytes(HASH_START, "foo", 3), "bar", 3) == 0x85944171f73967e8u);
}

/** Stored indexes contain these hashes, so they must not change. Inputs: empty, full words, and full words with a
 * remainder. */
static void words(void **state) {
    (void)state;
    static const char text[] = "the index of a dataset";
    assert_true(hash_words(text, 0) == 0xcbf29ce44fd0bfc1u);
    assert_true(hash_words(text, 11) == 0x43d5c69fd884b22au);
    assert_true(hash_words(text, 22) == 0x3c456a34f0524a80u);
    char moved[32];
    memcpy(moved + 3, text, 22); /* at any alignment */
    assert_true(hash_words(moved + 3, 22) == 0x3c456a34f0524a80u);
}

/** The first values of the reference implementation (Vigna's splitmix64.c) for the seed 1234567. */
static void splitmix(void **state) {
    (void)state;
    static const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                        4593380528125082431u, 16408922859458223821u};
    for (uint64_t i = 0; i < 5; i++) {
        uint64_t z = 1234567 + (i + 1) * SPLITMIX_STEP;
        assert_true(splitmix64(z) == expected[i]);
        assert_true(splitmix64_high(z) >> 33 == expected[i] >> 33);
    }
    assert_true(splitmix64_high((12345 + 7) * SPLITMIX_STEP) == 0xf7fa9d555705a465u); /* the demo images' noise */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fnv), cmocka_unit_test(words), cmocka_unit_test(splitmix)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
