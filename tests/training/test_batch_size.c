/* data.batch_size auto: the size is the largest whose plans fit, on every device. On cuda with the stand-ins of
 * fake_cuda, whose memory FAKE_CUDA_MEMORY limits. */
#include "check.h"

#include "training/batch_fit.h"
#include "training/batch_size.h"

#include <stdlib.h>

static const char *const devices[] = {"ref", "cpu", "cuda"};
enum { DEVICES = sizeof devices / sizeof *devices, MOST = 64 };

static config *small(const char *device) {
    static config c;
    config_defaults(&c);
    snprintf(c.model.arch, sizeof c.model.arch, "resnet20");
    snprintf(c.trainer.device, sizeof c.trainer.device, "%s", device);
    snprintf(c.trainer.precision, sizeof c.trainer.precision, "32-true");
    c.data.batch_size = 1;
    c.data.image_size = 32;
    return &c;
}

/** @return false if the device is not available */
static bool opened(run_context *s, const config *c) {
    if (engine_unavailable(c->trainer.device) != NULL)
        return false;
    assert_ok(run_context_open_engine(s, c, 10, NULL));
    return true;
}

/** The memory of a batch of `images`. */
static size_t bytes_of(run_context *s, int images) {
    batch_size_fit f;
    assert_ok(batch_size_largest(&f, s, SIZE_MAX, images));
    assert_int_equal(f.images, images);
    assert_int_equal(f.next, 0);
    return f.bytes;
}

static void powers_of_two(void **state) {
    (void)state;
    for (int i = 0; i < DEVICES; i++) {
        config *c = small(devices[i]);
        run_context s;
        batch_size_fit f;
        size_t plan = 0;
        if (!opened(&s, c))
            continue;
        size_t need = bytes_of(&s, 8), twice = bytes_of(&s, 16);
        engine_memory m = engine_plan_memory(s.engine, NULL);
        assert_ok(engine_plan_bytes(&plan, s.engine, 8, 32, 32, true));
        assert_true(need >= engine_memory_total(&m) + plan && need < twice);
        assert_ok(batch_size_largest(&f, &s, need, MOST));
        assert_true(f.images == 8 && f.bytes == need && f.next == 16 && f.next_bytes == twice);
        assert_ok(batch_size_largest(&f, &s, need - 1, MOST));
        assert_true(f.images == 4 && f.next == 8 && f.next_bytes == need);
        assert_ok(batch_size_largest(&f, &s, twice - 1, MOST));
        assert_int_equal(f.images, 8);
        assert_fails(E_NOMEM, "not even the smallest batch of 32 x 32 pixels fits",
                     batch_size_largest(&f, &s, 1, MOST));
        run_context_close(&s);
    }
}

/** A batch size is a value of the option, also where a larger divisor fits. */
static void at_most_the_largest_option(void **state) {
    (void)state;
    for (int i = 0; i < DEVICES; i++) {
        config *c = small(devices[i]);
        run_context s;
        batch_size_fit f;
        c->data.image_size = 8;
        c->trainer.global_batch = 2 * CONFIG_BATCH_MAX;
        if (!opened(&s, c))
            continue;
        assert_ok(batch_size_largest(&f, &s, SIZE_MAX, c->trainer.global_batch));
        assert_int_equal(f.images, CONFIG_BATCH_MAX);
        run_context_close(&s);
    }
}

/** The only size that is allowed leaves batch norm a single value per channel: this has nothing to do with memory. */
static void too_small_for_batch_norm(void **state) {
    (void)state;
    config *c = small("ref");
    run_context s;
    batch_size_fit f;
    snprintf(c->model.arch, sizeof c->model.arch, "resnet18");
    assert_true(opened(&s, c));
    assert_fails(E_SHAPE, "data.batch_size auto: a batch of 1 image, the largest that the options allow: layer ",
                 batch_size_largest(&f, &s, SIZE_MAX, 1));
    assert_ok(batch_size_largest(&f, &s, SIZE_MAX, 2));
    assert_int_equal(f.images, 2);
    run_context_close(&s);
}

static void divisors_of_the_global_batch(void **state) {
    (void)state;
    for (int i = 0; i < DEVICES; i++) {
        config *c = small(devices[i]);
        run_context s;
        batch_size_fit f;
        c->trainer.global_batch = 60;
        if (!opened(&s, c))
            continue;
        assert_ok(batch_size_largest(&f, &s, SIZE_MAX, 60));
        assert_int_equal(f.images, 60);
        assert_ok(batch_size_largest(&f, &s, f.bytes - 1, 60));
        assert_true(f.images == 30 && f.next == 60);
        assert_ok(batch_size_largest(&f, &s, f.bytes - 1, 60));
        assert_true(f.images == 20 && f.next == 30);
        run_context_close(&s);
    }
}

/* Images of validation may be larger than those of training, and their batch too. */
static void validation_counts(void **state) {
    (void)state;
    config *c = small("ref");
    static dataset val = {.image_n = 1000};
    run_context s;
    assert_true(opened(&s, c));
    size_t alone = bytes_of(&s, 2);
    c->data.val_size = 128;
    c->data.val_batch_size = 64;
    s.val = &val;
    assert_true(bytes_of(&s, 2) > 2 * alone);
    val.image_n = 1; /* a batch is not larger than the dataset */
    assert_true(bytes_of(&s, 2) < 2 * alone);
    s.val = NULL;
    run_context_close(&s);
}

/* What fits into the free memory of a GPU is what the run can compile there. */
static void memory_of_a_gpu(void **state) {
    (void)state;
    config *c = small("cuda");
    run_context s;
    batch_size_fit f;
    engine_plan *p = NULL;
    if (getenv("FAKE_CUDA_MEMORY") != NULL || !opened(&s, c))
        skip();
    char limit[32];
    snprintf(limit, sizeof limit, "%zu", bytes_of(&s, 16) + bytes_of(&s, 4));
    run_context_close(&s);
    assert_int_equal(setenv("FAKE_CUDA_MEMORY", limit, 1), 0);
    assert_true(opened(&s, c));
    assert_ok(batch_size_largest(&f, &s, engine_memory_limit(s.engine), MOST));
    assert_true(f.images == 16 && f.next == 32);
    assert_int_equal(engine_memory_share(s.engine, 4), engine_memory_limit(s.engine));
    assert_ok(run_context_compile_batch(&p, &s, f.images, true));
    assert_fails(E_NOMEM, "the largest that fits is data.batch_size", run_context_compile_batch(&p, &s, f.next, true));
    run_context_close(&s);
    unsetenv("FAKE_CUDA_MEMORY");
}

static void ranks_share_the_memory_of_a_host(void **state) {
    (void)state;
    run_context s;
    assert_true(opened(&s, small("ref")));
    double one = (double)engine_memory_share(s.engine, 1), four = (double)engine_memory_share(s.engine, 4);
    run_context_close(&s);
    if (one >= (double)SIZE_MAX)
        skip();
    assert_true(four > 0.2 * one && four < 0.5 * one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(powers_of_two),
        cmocka_unit_test(divisors_of_the_global_batch),
        cmocka_unit_test(at_most_the_largest_option),
        cmocka_unit_test(too_small_for_batch_norm),
        cmocka_unit_test(validation_counts),
        cmocka_unit_test(memory_of_a_gpu),
        cmocka_unit_test(ranks_share_the_memory_of_a_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
