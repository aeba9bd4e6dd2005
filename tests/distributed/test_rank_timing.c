/** The slowest rank, and the time spent on communication. */
#include "check.h"

#include "distributed/rank_timing.h"

enum { RANKS = 3 };

static void finds_the_slowest(void **state) {
    (void)state;
    /* rank 1 computes 9 of 10 s, the others 6: of their 4 s of waiting, 3 are for rank 1 and 1 for the network */
    const rank_time now[RANKS] = {{10, 4, 0}, {10, 1, 2.5}, {10, 4, 1}};
    rank_timing p = rank_timing_between(now, NULL, RANKS);
    assert_int_equal(p.slowest, 1);
    assert_near(p.comm, 0.1, 1e-12);
    assert_near(p.excess, 0.5, 1e-12);
    assert_near(p.loaded, 0.25, 1e-12);
}

static void differences_to_the_previous_row(void **state) {
    (void)state;
    const rank_time before[RANKS] = {{10, 4, 0}, {10, 1, 2.5}, {10, 4, 1}};
    const rank_time now[RANKS] = {{14, 6, 0}, {14, 4, 2.5}, {14, 5, 3}};
    rank_timing p = rank_timing_between(now, before, RANKS);
    assert_int_equal(p.slowest, 2);
    assert_near(p.comm, 0.25, 1e-12);
    assert_near(p.excess, 1, 1e-12);
    assert_near(p.loaded, 0.5, 1e-12);
}

static void one_rank_is_not_slow(void **state) {
    (void)state;
    const rank_time now[RANKS] = {{10, 0, 0}, {10, 1, 0}, {10, 1, 0}};
    assert_int_equal(rank_timing_between(now, NULL, 1).slowest, -1);
    assert_int_equal(rank_timing_between(now, now, RANKS).slowest, -1);
    assert_int_equal(rank_timing_between(now, NULL, RANKS).slowest, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_slowest),
                                       cmocka_unit_test(differences_to_the_previous_row),
                                       cmocka_unit_test(one_rank_is_not_slow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
