/** The hash of a step's images: it depends on their order, and not on their distribution over ranks. */
#include "check.h"

#include "loader/samples.h"

static void does_not_depend_on_the_split(void **state) {
    (void)state;
    const int64_t index[] = {7, 0, 3, 12, 5, 1, 9, 4};
    uint64_t whole = samples_hash(16, index, 8);
    for (int cut = 0; cut <= 8; cut++) {
        uint64_t a = samples_hash(16, index, cut), b = samples_hash(16 + cut, index + cut, 8 - cut);
        assert_true(samples_join(a, b) == whole);
        assert_true(samples_join(b, a) == whole);
    }
    assert_true(whole < UINT64_C(1) << 48);
    assert_true((uint64_t)(double)whole == whole);
}

static void depends_on_order_and_images(void **state) {
    (void)state;
    const int64_t index[] = {7, 0, 3}, swapped[] = {0, 7, 3}, other[] = {7, 0, 4};
    uint64_t h = samples_hash(16, index, 3);
    assert_true(samples_hash(16, swapped, 3) != h);
    assert_true(samples_hash(16, other, 3) != h);
    assert_true(samples_hash(17, index, 3) != h);
    assert_true(samples_hash(16, index, 2) != h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(does_not_depend_on_the_split),
                                       cmocka_unit_test(depends_on_order_and_images)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
