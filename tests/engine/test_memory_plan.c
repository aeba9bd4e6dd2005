#include "engine/memory_plan.h"

#include "base/random.h"
#include "check.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static size_t rounded(size_t n) { return (n + 63) / 64 * 64; }

static void check_layout(const plan_block *b, int n, size_t total) {
    size_t end = 0, lower_bound = 0;
    for (int i = 0; i < n; i++) {
        assert_int_equal(b[i].offset % 64, 0);
        end = b[i].offset + rounded(b[i].bytes) > end ? b[i].offset + rounded(b[i].bytes) : end;
        size_t alive = 0; /* when the live range of b[i] begins */
        for (int k = 0; k < n; k++) {
            alive += b[k].first <= b[i].first && b[i].first <= b[k].last ? rounded(b[k].bytes) : 0;
            if (k == i || b[i].first > b[k].last || b[k].first > b[i].last)
                continue;
            assert_true(b[i].offset + b[i].bytes <= b[k].offset || b[k].offset + b[k].bytes <= b[i].offset);
        }
        lower_bound = alive > lower_bound ? alive : lower_bound;
    }
    assert_int_equal(total, end);
    assert_true(total >= lower_bound);
}

static void random_blocks(void **state) {
    (void)state;
    random_stream r = random_open(1, 0, 0, RANDOM_TEST);
    plan_block b[200];
    for (int round = 0; round < 300; round++) {
        int n = 1 + (int)random_below(&r, COUNT(b));
        for (int i = 0; i < n; i++) {
            int first = (int)random_below(&r, 60) - 1;
            b[i] = (plan_block){.bytes = 1 + random_below(&r, 5000),
                                .first = first,
                                .last = first + (int)random_below(&r, round % 2 == 0 ? 5 : 60)};
        }
        size_t total = 0, again = 0;
        assert_ok(plan_layout(&total, b, n));
        check_layout(b, n, total);
        assert_ok(plan_layout(&again, b, n));
        assert_int_equal(again, total);
    }
}

static void expect_total(plan_block *b, int n, size_t expected) {
    size_t total = 0;
    assert_ok(plan_layout(&total, b, n));
    check_layout(b, n, total);
    assert_int_equal(total, expected);
}

/** Cases whose smallest total is known: the largest sum of live blocks at any time step. */
static void known_optima(void **state) {
    (void)state;
    plan_block apart[] = {{.bytes = 640, .first = 0, .last = 1},
                          {.bytes = 64, .first = 2, .last = 3},
                          {.bytes = 320, .first = 4, .last = 4}};
    expect_total(apart, COUNT(apart), 640);
    plan_block together[] = {{.bytes = 640, .first = 0, .last = 9},
                             {.bytes = 1, .first = 9, .last = 9},
                             {.bytes = 320, .first = 4, .last = 12}};
    expect_total(together, COUNT(together), 640 + 64 + 320);
    /* a chain of layers: input and output of each are live at the same time */
    plan_block chain[10];
    for (int i = 0; i < COUNT(chain); i++)
        chain[i] = (plan_block){.bytes = 1024, .first = i, .last = i + 1};
    expect_total(chain, COUNT(chain), 2048);
    /* training: kept until backward; the gradients alternate between two locations */
    plan_block pyramid[16];
    for (int i = 0; i < 8; i++) {
        pyramid[i] = (plan_block){.bytes = 512, .first = i, .last = 16 - i};
        pyramid[8 + i] = (plan_block){.bytes = 512, .first = 16 - i, .last = 17 - i};
    }
    expect_total(pyramid, COUNT(pyramid), 512 * 9);
    /* a small block is placed between two large ones whose live ranges do not overlap */
    plan_block gap[] = {{.bytes = 1000, .first = 0, .last = 9},
                        {.bytes = 900, .first = 0, .last = 4},
                        {.bytes = 800, .first = 5, .last = 9},
                        {.bytes = 64, .first = 5, .last = 9}};
    expect_total(gap, COUNT(gap), 1024 + 960);
}

static void nothing_and_too_much(void **state) {
    (void)state;
    size_t total = 1;
    assert_ok(plan_layout(&total, NULL, 0));
    assert_int_equal(total, 0);
    plan_block huge[] = {{.bytes = SIZE_MAX / 3, .first = 0, .last = 1},
                         {.bytes = SIZE_MAX / 3, .first = 1, .last = 1},
                         {.bytes = SIZE_MAX / 2 - 64, .first = 1, .last = 1}};
    assert_fails(E_NOMEM, "address space", plan_layout(&total, huge, 3));
    huge[0].bytes = SIZE_MAX;
    assert_fails(E_NOMEM, "address space", plan_layout(&total, huge, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_blocks), cmocka_unit_test(known_optima),
                                       cmocka_unit_test(nothing_and_too_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
