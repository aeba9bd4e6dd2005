/* Copies in slices: every length around the limits is copied completely, and no other memory is changed. */
#include "backend/cuda/slices.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

static void test_lengths(void **state) {
    (void)state;
    static const size_t lengths[] = {0,
                                     1,
                                     SLICE_BYTES,
                                     SLICE_BYTES + 1,
                                     2 * (size_t)SLICE_BYTES + 7,
                                     SLICES * (size_t)SLICE_BYTES,
                                     (SLICES + 1) * (size_t)SLICE_BYTES + 3};
    size_t room = (SLICES + 2) * (size_t)SLICE_BYTES;
    unsigned char *from = malloc(room), *to = malloc(room);
    assert_true(from != NULL && to != NULL);
    for (size_t i = 0; i < room; i++)
        from[i] = (unsigned char)(i * 2654435761U >> 24);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memset(to, 0xa5, room);
        copy_in_slices(to + 1, from, lengths[i]);
        assert_memory_equal(to + 1, from, lengths[i]);
        assert_int_equal(to[0], 0xa5);
        assert_int_equal(to[1 + lengths[i]], 0xa5);
    }
    free(from);
    free(to);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
