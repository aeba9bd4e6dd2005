/* The loader: the content of batches, which must not depend on threads, order or timing. */
#include "fake_images.h"

#include <math.h>

static char root[256];
static dataset *data;

/* counts allocations of linnet's code; the sanitizers replace the allocator */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 1
static atomic_long allocations;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n) {
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    allocations++;
    return __libc_realloc(p, n);
}
#endif

static int set_up(void **state) {
    (void)state;
    make_temporary_folder(root);
    data = fake_dataset(root, 47);
    decode_us = decode_burn = 0;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    dataset_close(data);
    remove_folder(root);
    return 0;
}

static void test_contents(void **state) {
    (void)state;
    static const int workers[] = {1, 2, 5}, ahead[] = {2, 3, 16};
    for (int i = 0; i < 3; i++) {
        loader *l = NULL;
        loader_options o = fake_options(4, workers[i], ahead[i]);
        assert_ok(loader_open(&l, data, &o));
        assert_int_equal(loader_batches(l), 12);
        for (uint32_t epoch = 0; epoch < 40; epoch++)
            assert_int_equal(check_epoch(l, data, &o, epoch, 0), 12);
        assert_int_equal(loader_bad(&(const bad_image *){NULL}, l), 0);
        loader_close(l);
    }
    assert_int_equal(unblocked_signals, 0);
}

static void test_start_anywhere(void **state) {
    (void)state;
    loader *l = NULL;
    loader_options o = fake_options(5, 3, 4);
    assert_ok(loader_open(&l, data, &o));
    for (int64_t first = 0; first <= loader_batches(l); first++)
        assert_int_equal(check_epoch(l, data, &o, 7, first), loader_batches(l) - first);
    assert_fails(E_OPTION, "batch 11 of 10", loader_start(l, 0, 11));
    assert_fails(E_OPTION, "batch -1", loader_start(l, 0, -1));
    loader_close(l);
}

static void test_before_start(void **state) {
    (void)state;
    loader *l = NULL;
    batch *b = NULL;
    loader_options o = fake_options(5, 3, 4);
    assert_ok(loader_open(&l, data, &o));
    assert_ok(loader_next(&b, l));
    assert_null(b);
    loader_close(l);
    loader_close(NULL);
}

static void test_drop_last_and_order(void **state) {
    (void)state;
    loader *l = NULL;
    loader_options o = fake_options(10, 2, 2);
    o.shuffle = false;
    o.drop_last = true;
    assert_ok(loader_open(&l, data, &o));
    assert_int_equal(loader_batches(l), 4);
    assert_int_equal(check_epoch(l, data, &o, 3, 0), 4);
    loader_close(l);
    o.batch_size = 48;
    assert_fails(E_DATA, "47 images do not fill one batch of 48", loader_open(&l, data, &o));
}

/** Three loaders with 1, 2 and 1 of each 4 batches see every image once, from whichever batch the epoch starts. */
static void test_ranks(void **state) {
    (void)state;
    static const int own[] = {0, 1, 3, 4};
    for (int batch_size = 1; batch_size <= 16; batch_size += 3) {
        int64_t first = batch_size % 2, images = first * batch_size;
        for (int rank = 0; rank < 3; rank++) {
            loader *l = NULL;
            loader_options o = fake_options(batch_size, 2, 3);
            o.micro_batches_per_step = 4;
            o.micro_batch_first = own[rank];
            o.micro_batch_count = own[rank + 1] - own[rank];
            assert_ok(loader_open(&l, data, &o));
            assert_int_equal(loader_batches(l), (47 + batch_size - 1) / batch_size);
            check_epoch(l, data, &o, 1, first);
            assert_ok(loader_start(l, 1, first));
            for (batch *b = NULL; loader_next(&b, l) == 0 && b != NULL; loader_release(l, b))
                images += b->n;
            loader_close(l);
        }
        assert_int_equal(images, 47);
    }
}

/** Stops and restarts the loader at every batch of an epoch while the workers are busy. */
static void test_interrupted(void **state) {
    (void)state;
    decode_us = 300;
    for (int stop = 0; stop < 8; stop++) {
        loader *l = NULL;
        batch *held = NULL;
        loader_options o = fake_options(4, 3, 4);
        assert_ok(loader_open(&l, data, &o));
        assert_ok(loader_start(l, 0, 0));
        for (int i = 0; i < stop; i++) {
            assert_ok(loader_next(&held, l));
            if (i != stop - 1) /* the last one is not released */
                loader_release(l, held);
        }
        if (stop % 2 == 1)
            assert_int_equal(check_epoch(l, data, &o, 1, 3), 9);
        loader_close(l);
    }
}

static void test_many_held(void **state) {
    (void)state;
    loader *l = NULL;
    batch *b[4];
    loader_options o = fake_options(4, 3, 4);
    assert_ok(loader_open(&l, data, &o));
    assert_ok(loader_start(l, 5, 0));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            assert_ok(loader_next(&b[i], l));
        for (int i = 3; i >= 0; i--) { /* released in another order */
            int64_t place = 4 * (4 * round + i);
            for (int k = 0; k < b[i]->n; k++)
                check_image(b[i], k, data, expected_image(data, &o, 5, place + k), 5, place + k);
            loader_release(l, b[i]);
        }
    }
    loader_close(l);
}

static void test_slow_and_fast(void **state) {
    (void)state;
    loader *l = NULL;
    batch *b = NULL;
    loader_options o = fake_options(4, 2, 3);
    assert_ok(loader_open(&l, data, &o));
    decode_us = 2000; /* the consumer waits: 47 images, 2 workers, at least 47 ms */
    assert_int_equal(check_epoch(l, data, &o, 0, 0), 12);
    assert_true(loader_waited(l) > 0.03);
    decode_us = 0; /* the workers wait: the ring must not overflow */
    assert_ok(loader_start(l, 1, 0));
    usleep(20000);
    for (int i = 0; i < 12; i++) {
        assert_ok(loader_next(&b, l));
        usleep(3000);
        for (int k = 0; k < b->n; k++)
            check_image(b, k, data, expected_image(data, &o, 1, 4 * i + k), 1, 4 * i + k);
        loader_release(l, b);
    }
    loader_close(l);
}

static void test_no_allocation(void **state) {
    (void)state;
#ifdef COUNTS_ALLOCATIONS
    loader *l = NULL;
    loader_options o = fake_options(4, 3, 4);
    assert_ok(loader_open(&l, data, &o));
    uint32_t epoch = 0;
    decode_us =
        300; /* while one sleeps, the others take positions, so each worker reads a file and allocates its memory */
    decode_most = 0;
    for (; epoch < 3 || (decode_most < 3 && epoch < 60); epoch++) /* a busy machine may start them late */
        assert_int_equal(check_epoch(l, data, &o, epoch, 0), 12);
    decode_us = 0;
    long before = allocations;
    assert_true(before > 0);
    for (uint32_t last = epoch + 9; epoch < last; epoch++) {
        batch *b = NULL;
        assert_ok(loader_start(l, epoch, 0));
        while (loader_next(&b, l) == 0 && b != NULL)
            loader_release(l, b);
    }
    assert_int_equal(allocations - before, 0);
    loader_close(l);
#else
    skip();
#endif
}

/** The number of threads changes after every batch while all are busy; the batches are the same. */
static void test_set_workers(void **state) {
    (void)state;
    static const int workers[] = {5, 1, 2, 7, 1, 3};
    loader *l = NULL;
    batch *b = NULL;
    loader_options o = fake_options(4, 2, 4);
    assert_ok(loader_open(&l, data, &o));
    for (uint32_t epoch = 0; epoch < 200; epoch++) {
        decode_us = epoch % 2 == 0 ? 200 : 0;
        assert_ok(loader_set_workers(l, workers[epoch % 6])); /* also between epochs */
        assert_ok(loader_start(l, epoch, 0));
        for (int i = 0; i < 12; i++) {
            assert_ok(loader_set_workers(l, workers[(epoch + (uint32_t)i) % 6]));
            assert_ok(loader_next(&b, l));
            assert_int_equal(b->n, i < 11 ? 4 : 3);
            for (int k = 0; k < b->n; k++)
                check_image(b, k, data, expected_image(data, &o, epoch, 4 * i + k), epoch, 4 * i + k);
            loader_release(l, b);
        }
    }
    assert_int_equal(unblocked_signals, 0);
    assert_fails(E_OPTION, "0 workers", loader_set_workers(l, 0));
    loader_close(l);
}

static double process_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/** Exactly the requested number of threads work; the others use no CPU time. */
static void test_surplus_threads_sleep(void **state) {
    (void)state;
    loader *l = NULL;
    loader_options o = fake_options(4, 1, 4);
    assert_ok(loader_open(&l, data, &o));
    decode_us = 500;
    decode_most = 0;
    assert_int_equal(check_epoch(l, data, &o, 0, 0), 12);
    assert_int_equal(decode_most, 1);
    assert_ok(loader_set_workers(l, 6));
    for (uint32_t epoch = 1; epoch < 20 && decode_most < 6; epoch++) /* a busy machine may start them late */
        assert_int_equal(check_epoch(l, data, &o, epoch, 0), 12);
    assert_int_equal(decode_most, 6);
    assert_ok(loader_set_workers(l, 2));
    assert_ok(loader_start(l, 0, 12)); /* completes the images that other threads were decoding */
    decode_most = 0;
    assert_int_equal(check_epoch(l, data, &o, 0, 0), 12);
    assert_true(decode_most <= 2);
    double before = process_seconds();
    usleep(100000);
    assert_true(process_seconds() - before < 0.05);
    loader_close(l);
}

/** The CPU time of a thread is measured, not its waiting time. */
static void test_cost(void **state) {
    (void)state;
    loader *l = NULL;
    loader_options o = fake_options(4, 3, 4);
    assert_ok(loader_open(&l, data, &o));
    assert_true(isnan(loader_cost(l)));
    decode_us = 4000;
    assert_int_equal(check_epoch(l, data, &o, 0, 0), 12);
    assert_true(loader_cost(l) > 0 && loader_cost(l) < 0.001);
    loader_close(l);
    assert_ok(loader_open(&l, data, &o));
    decode_us = 0;
    decode_burn = 2000;
    assert_int_equal(check_epoch(l, data, &o, 0, 0), 12);
    assert_true(loader_cost(l) >= 0.002 && loader_cost(l) < 0.003);
    loader_close(l);
}

static void test_options(void **state) {
    (void)state;
    loader *l = NULL;
    loader_options o = fake_options(4, 0, 4);
    assert_fails(E_OPTION, "workers 0", loader_open(&l, data, &o));
    o = fake_options(4, 1, 1);
    assert_fails(E_OPTION, "ahead 1", loader_open(&l, data, &o));
    o = fake_options(4, 1, 2);
    o.max_bad = 1.5;
    assert_fails(E_OPTION, "max_bad 1.5", loader_open(&l, data, &o));
    o = fake_options(4, 1, 2);
    o.micro_batch_first = 1;
    assert_fails(E_OPTION, "micro-batches: 1 to 1 of 1 per step", loader_open(&l, data, &o));
    assert_null(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_start_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_before_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drop_last_and_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ranks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_and_fast, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_allocation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set_workers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_surplus_threads_sleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_options, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
