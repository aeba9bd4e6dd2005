/* data.workers auto: the choice for given measurements, and whether a loader applies it. */
#include "root.h"

#include "loader/workers.h"
#include "tools/demo_dataset.h"

#include <dirent.h>
#include <unistd.h>

static void fixed_or_a_share_of_the_cores(void **state) {
    (void)state;
    workers w = workers_init("loader", 5, 2);
    assert_false(w.automatic);
    assert_int_equal(w.n, 5);
    assert_int_equal(workers_init("loader", -1, 1).n, 1);
    assert_int_equal(workers_init("loader", -1, 7).n, 1);
    assert_int_equal(workers_init("loader", -1, 16).n, 3);
    assert_true(workers_init("loader", -1, 16).automatic);
}

static void the_rule(void **state) {
    (void)state;
    static const struct {
        double cost, compute; /* ms */
        int n;
    } cases[] = {{0.5, 9.5, 1}, {5, 6, 1}, {5.1, 6, 2},     {5, 1.5, 4},    {5, 0.5, 12},
                 {5, 0.4, 15},  {5, 0, 3}, {5, 0.0001, 16}, {1e9, 1e-9, 16}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        workers w = workers_choose(workers_init("loader", -1, 16), 1e-3 * cases[i].cost, 1e-3 * cases[i].compute, 0);
        assert_int_equal(w.n, cases[i].n);
        assert_int_equal(w.extra, 0);
    }
    workers w = workers_init("loader", -1, 16);
    assert_int_equal(workers_choose(w, NAN, 1, 1).n, 3);
    assert_int_equal(workers_choose(w, 1, NAN, 1).n, 3);
    assert_int_equal(workers_choose(w, 1, INFINITY, 0).n, 1);
    assert_int_equal(workers_choose(workers_init("loader", -1, 1), 5, 1, 1).n, 1);
}

/** With four cores, the rule gives 1 for 0.1 and 1, and 2 for 1 and 1. */
static void late_data_add_one_thread(void **state) {
    (void)state;
    workers w = workers_init("loader", -1, 4);
    w = workers_choose(w, 0.1, 1, 0.05);
    assert_int_equal(w.n, 1);
    w = workers_choose(w, 0.1, 1, 0.051);
    assert_int_equal(w.n, 2);
    w = workers_choose(w, 0.1, 1, 0); /* the added thread is kept, because without it the data were late */
    assert_int_equal(w.n, 2);
    w = workers_choose(w, 0.1, 1, 0.2);
    assert_int_equal(w.n, 3);
    w = workers_choose(w, 1, 1, 0.2); /* the rule requires more now */
    assert_int_equal(w.n, 4);
    w = workers_choose(w, 0.1, 1, 0.2);
    assert_int_equal(w.n, 4);
    w = workers_choose(w, 0.1, 1, 0.9);
    assert_int_equal(w.n, 4);
    w = workers_choose(w, 100, 1, 0);
    assert_int_equal(w.n, 4);
    w = workers_init("loader", -1, 16); /* fewer than the rule requires: exactly as many as it requires */
    assert_int_equal(workers_choose(w, 5, 1, 0.5).n, 6);
    w.n = 9; /* more than the rule requires, but the data are late: one more */
    assert_int_equal(workers_choose(w, 5, 1, 0.5).n, 10);
}

static void epoch(loader *l, workers *w, uint32_t number, unsigned us) {
    batch *b = NULL;
    workers_begin(w, l);
    assert_ok(loader_start(l, number, 0));
    while (loader_next(&b, l) == OK && b != NULL) {
        if (us > 0)
            usleep(us);
        workers_count(w, l, b->n);
        loader_release(l, b);
    }
    assert_null(b);
}

static int threads(void) {
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *e = readdir(tasks); e != NULL; e = readdir(tasks))
        n += e->d_name[0] != '.';
    closedir(tasks);
    return n;
}

static void loader_uses_the_chosen_number(void **state) {
    (void)state;
    dataset *d = NULL;
    loader *l = NULL;
    assert_ok(demo_dataset_write(root, &(demo_dataset_options){.train_n = 3, .val_n = 1, .size = 64, .seed = 1}));
    assert_ok(dataset_open(&d, root, "train"));
    loader_options o = {.transform = transform_default(true, 32, 36),
                        .limits = image_limits_default(),
                        .batch_size = 2,
                        .workers = 1,
                        .ahead = 3,
                        .micro_batches_per_step = 1,
                        .micro_batch_count = 1};
    workers w = workers_init("loader", -1, 3), fixed = workers_init("loader", 2, 3);
    assert_ok(loader_open(&l, d, &o));
    int before = threads();
    epoch(l, &w, 0, 60000); /* 30 ms per image: one thread suffices */
    assert_true(w.chosen);
    assert_int_equal(w.n, 1);
    for (uint32_t i = 1; i < 20 && w.n < 3;
         i++) /* the model takes no time: all cores decode, unless the machine is busy */
        epoch(l, &w, i, 0);
    assert_int_equal(w.n, 3);
    assert_int_equal(threads() - before, 2);
    w.extra = 0; /* threads that late epochs may have added */
    epoch(l, &w, 20, 60000);
    epoch(l, &w, 21, 60000);
    assert_int_equal(w.n, 1 + w.extra);
    for (uint32_t i = 22; i < 25; i++)
        epoch(l, &fixed, i, 0);
    assert_int_equal(fixed.n, 2);
    assert_false(fixed.chosen);
    loader_close(l);
    dataset_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_or_a_share_of_the_cores), cmocka_unit_test(the_rule),
        cmocka_unit_test(late_data_add_one_thread),
        cmocka_unit_test_setup_teardown(loader_uses_the_chosen_number, root_set_up, root_tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
