#include "check.h"

#include "base/memory.h"

static void test_blocks(void **state) {
    (void)state;
    int *p = NULL;
    char *copy = NULL;
    assert_ok(memory_zeroed(&p, 100, sizeof *p));
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    p[99] = 7;
    assert_ok(memory_resize(&p, 1000, sizeof *p));
    assert_int_equal(p[99], 7);
    assert_fails(E_NOMEM, "cannot allocate", memory_resize(&p, SIZE_MAX / 2, sizeof *p));
    assert_int_equal(p[99], 7); /* the memory is still allocated */
    free(p);
    p = NULL;
    assert_ok(memory_zeroed(&p, 0, sizeof *p));
    assert_non_null(p);
    free(p);
    assert_fails(E_NOMEM, "cannot allocate", memory_zeroed(&p, SIZE_MAX / 2, 4));
    assert_null(p);
    assert_ok(memory_string(&copy, "text"));
    assert_string_equal(copy, "text");
    free(copy);
}

/** The capacity grows to the requested size, or doubles if that is more. */
static void test_grow(void **state) {
    (void)state;
    int *p = NULL;
    size_t capacity = 0, moved = 0;
    for (int i = 0; i < 10000; i++) {
        size_t before = capacity;
        assert_ok(memory_grow(&p, &capacity, (size_t)i + 1, sizeof *p));
        assert_true(capacity > (size_t)i && (capacity == before || capacity >= 2 * before));
        moved += capacity != before;
        p[i] = i;
    }
    assert_in_range(moved, 1, 20);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(p[i], i);
    assert_ok(memory_grow(&p, &capacity, 1000000, sizeof *p));
    assert_true(capacity >= 1000000 && p[9999] == 9999);
    size_t before = capacity;
    assert_fails(E_NOMEM, "cannot allocate", memory_grow(&p, &capacity, SIZE_MAX / 2, sizeof *p));
    assert_true(capacity == before && p[9999] == 9999); /* the memory is still allocated */
    free(p);
}

static void test_arena(void **state) {
    (void)state;
    arena a;
    assert_ok(arena_init(&a, 100000));
    assert_true(a.bytes >= 100000);
    assert_int_equal((uintptr_t)a.base % ((size_t)2 << 20), 0);
    unsigned char *x = arena_take(&a, 1), *y = arena_take(&a, 65), *z = arena_take(&a, 0);
    assert_ptr_equal(x, a.base);
    assert_ptr_equal(y, a.base + 64);
    assert_ptr_equal(z, a.base + 192);
    for (size_t i = 0; i < a.bytes; i += 4096)
        assert_int_equal(a.base[i], 0);
    assert_null(arena_take(&a, a.bytes));
    assert_null(arena_take(&a, SIZE_MAX));
    assert_null(arena_take(&a, SIZE_MAX - 70));
    size_t left = a.bytes - a.used;
    unsigned char *rest = arena_take(&a, left);
    assert_ptr_equal(rest, z);
    rest[left - 1] = 1; /* mapped to the last byte */
    assert_null(arena_take(&a, 1));
    arena_deinit(&a);
    assert_null(a.base);
    arena_deinit(&a);
    assert_ok(arena_init(&a, 0));
    assert_null(arena_take(&a, 1));
    arena_deinit(&a);
    assert_fails(E_NOMEM, "cannot map", arena_init(&a, SIZE_MAX / 4));
    assert_fails(E_NOMEM, "cannot map", arena_init(&a, SIZE_MAX));
}

static void test_round(void **state) {
    (void)state;
    assert_int_equal(memory_round(0), 0);
    assert_int_equal(memory_round(1), 64);
    assert_int_equal(memory_round(64), 64);
    assert_int_equal(memory_round(65), 128);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
