/* The cpu device: invalid arguments are refused, a step allocates nothing after the first, plans share
 * weights, and pixels are normalised as in torchvision. */
#define _GNU_SOURCE
#include "engine/layer_pair.h"
#include "engine/profile.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define COUNTS_ALLOCATIONS 0
#else
#define COUNTS_ALLOCATIONS 1
#endif

/* ---- allocation functions that count calls of this program (with linnet's code) and of libraries (oneDNN) separately
 * ---- */

static long own_calls, library_calls;

#if COUNTS_ALLOCATIONS
extern const char __executable_start, etext;
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static void count(const void *caller) {
    const char *p = caller;
    long *counter = p >= &__executable_start && p < &etext ? &own_calls : &library_calls;
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t n) {
    count(__builtin_return_address(0));
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size) {
    count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n) {
    count(__builtin_return_address(0));
    return __libc_realloc(p, n);
}
void *aligned_alloc(size_t align, size_t n) {
    count(__builtin_return_address(0));
    return __libc_memalign(align, n);
}
int posix_memalign(void **out, size_t align, size_t n) {
    count(__builtin_return_address(0));
    *out = __libc_memalign(align, n);
    return *out != NULL ? 0 : 12;
}
void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset) {
    count(__builtin_return_address(0));
    return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset); /* NOLINT: an address in a long */
}
#endif

static void train_step(engine *e, engine_plan *p, const batch *b, int step) {
    engine_hyper h = {.lr = 0.05,
                      .momentum = 0.9,
                      .weight_decay = 1e-4,
                      .clip_norm = 1,
                      .first_step = step == 0,
                      .loss_scale = 1,
                      .images = b->n};
    assert_ok(engine_set_hyper(e, &h));
    run_step(e, p, b);
    assert_ok(engine_unscale(e));
    assert_ok(engine_update(e));
}

static model *resnet(const char *arch) {
    model *n = NULL;
    model_options o = {.classes = SMALL_CLASSES, .decay_norm = true, .decay_bias = true};
    assert_ok(model_create(&n, arch, &o));
    return n;
}

static int open_engine(engine **e, const model *n, precision p, int threads) {
    engine_options o = engine_options_default();
    o.precision = p;
    o.threads = threads;
    return engine_create(e, "cpu", n, &o);
}

static void test_no_allocation(void **state) {
    (void)state;
    if (!COUNTS_ALLOCATIONS) {
        print_message("allocations are not counted in this build\n");
        skip();
    }
    for (int k = 0; k < 2; k++) {
        model *n = resnet("resnet18");
        engine *e = NULL;
        engine_plan *p = NULL, *v = NULL;
        batch b;
        if (open_engine(&e, n, k == 0 ? PRECISION_32 : PRECISION_BF16, 2) != OK) {
            model_destroy(n);
            continue;
        }
        assert_ok(engine_init_weights(e, 1));
        small_batch(&b, 2, 64, 64, 1);
        assert_ok(engine_compile(&p, e, 2, 64, 64, true));
        assert_ok(engine_compile(&v, e, 2, 64, 64, false));
        train_step(e, p, &b, 0);
        own_calls = library_calls = 0;
        for (int step = 1; step < 4; step++)
            train_step(e, p, &b, step);
        assert_ok(engine_load_batch(e, v, &b));
        assert_ok(engine_forward(e, v));
        assert_ok(engine_loss(e, v));
        long own = own_calls, library = library_calls; /* before printing */
        print_message(
            "%s: 3 training steps of ResNet-18 and an evaluation: %ld allocations of ours, %ld of libraries\n",
            k == 0 ? "32-true" : "bf16-mixed", own, library);
        assert_int_equal(own, 0);
        batch_deinit(&b);
        engine_destroy(e);
        model_destroy(n);
    }
}

/** Gradients, then statistics, of a model without oneDNN's layers. */
static double *own_results(size_t *count_, const model *n, precision p, int threads) {
    engine *e = NULL;
    engine_plan *plan = NULL;
    size_t gradients = 0, stats = 0, x_n = (size_t)6 * 40 * 56 * 3;
    double *x = allocated(x_n, sizeof *x);
    if (open_engine(&e, n, p, threads) != OK) {
        free(x);
        return NULL;
    }
    assert_ok(engine_init_weights(e, 1));
    assert_ok(engine_compile(&plan, e, 6, 40, 56, true));
    fill_normal(x, x_n, 3);
    assert_ok(engine_write_input(e, plan, x));
    assert_ok(engine_forward(e, plan));
    assert_ok(engine_write_output_gradient(e, plan, x));
    assert_ok(engine_backward(e, plan, ENGINE_FIRST | ENGINE_LAST));
    assert_ok(engine_unscale(e));
    double *g = read_all(&gradients, e, n, ENGINE_GRADIENT), *s = read_all(&stats, e, n, ENGINE_STATS);
    engine_result_data r;
    assert_ok(engine_result(&r, e));
    double *all = allocated(gradients + stats + 1, sizeof *all);
    memcpy(all, g, gradients * sizeof *all);
    memcpy(all + gradients, s, stats * sizeof *all);
    all[gradients + stats] = r.grad_norm;
    *count_ = gradients + stats + 1;
    free(x);
    free(g);
    free(s);
    engine_destroy(e);
    return all;
}

/** The results of native kernels do not depend on the number of threads. */
static void test_threads(void **state) {
    (void)state;
    model *n = NULL;
    int a = 0, b = 0;
    assert_ok(model_create_empty(&n, "own", SMALL_CLASSES));
    assert_ok(model_add_bn(&a, n, "bn1", MODEL_INPUT, 3, TENSOR_NONE, true));
    assert_ok(model_add_maxpool(&b, n, "pool", a, 3, 1, 1, 0));
    assert_ok(model_add_bn(&a, n, "bn2", b, 3, a, true));
    assert_ok(model_add_maxpool(&a, n, "pool2", a, 3, 3, 2, 1));
    assert_ok(model_add_avgpool(&a, n, "avgpool", a, 3));
    for (int k = 0; k < 2; k++) {
        size_t c = 0;
        precision p = k == 0 ? PRECISION_32 : PRECISION_BF16;
        double *first = own_results(&c, n, p, 1);
        for (int threads = 2; threads <= 5 && first != NULL; threads++) {
            double *now = own_results(&c, n, p, threads);
            assert_memory_equal(first, now, c * sizeof *now);
            free(now);
        }
        free(first);
    }
    model_destroy(n);
}

static void test_refusals(void **state) {
    (void)state;
    model *n = resnet("resnet18");
    engine *e = NULL;
    assert_fails(E_OPTION, "bf16-mixed", open_engine(&e, n, PRECISION_16, 1));
    assert_ok(open_engine(&e, n, PRECISION_32, 3));
    assert_non_null(strstr(engine_description(e), "oneDNN"));
#ifdef _OPENMP
    assert_non_null(strstr(engine_description(e), "3 threads"));
#endif
    print_message("%s; bf16 in hardware: %s\n", engine_description(e), engine_has_bf16() ? "yes" : "no");
    engine_destroy(e);
    model_destroy(n);
}

static double peak_flops(precision p) {
    model *n = resnet("resnet18");
    engine *e = NULL;
    engine_peaks peaks;
    assert_ok(open_engine(&e, n, p, 1));
    assert_ok(engine_measure_peaks(&peaks, e));
    engine_destroy(e);
    model_destroy(n);
    return peaks.flops;
}

/** What precision `auto` assumes holds for convolutions and GEMMs. The ratio of the rates is near 0.5, 1, 2 or 16. The
 *  best of two alternating measurements counts, because other tests may run at the same time. */
static void test_bf16_is_faster(void **state) {
    (void)state;
    double best[2] = {0}; /* fp32, bf16 */
    if (!engine_has_bf16()) {
        assert_false(engine_bf16_is_faster());
        return;
    }
    for (int i = 0; i < 4; i++) {
        double flops = peak_flops(i % 2 ? PRECISION_BF16 : PRECISION_32);
        best[i % 2] = flops > best[i % 2] ? flops : best[i % 2];
    }
    double ratio = best[1] / best[0];
    print_message("bf16 at %.2f of the rate of fp32\n", ratio);
    if (ratio < 0.6)
        assert_false(engine_bf16_is_faster());
    if (ratio > 1.6)
        assert_true(engine_bf16_is_faster());
}

/** torchvision's ToTensor and Normalize, operation by operation in fp32. */
static void test_pixels(void **state) {
    (void)state;
    model *n = NULL;
    engine *e = NULL;
    engine_plan *p = NULL;
    batch b;
    int i = 0;
    double x[256 * 3];
    engine_options o = engine_options_default();
    o.keep_tensors = true;
    assert_ok(model_create_empty(&n, "pixels", SMALL_CLASSES));
    assert_ok(model_add_avgpool(&i, n, "avgpool", MODEL_INPUT, 3));
    assert_ok(engine_create(&e, "cpu", n, &o));
    assert_ok(engine_compile(&p, e, 1, 16, 16, false));
    small_batch(&b, 1, 16, 16, 1);
    for (int k = 0; k < 256 * 3; k++)
        b.pixels[k] = (uint8_t)(k / 3);
    assert_ok(engine_load_batch(e, p, &b));
    assert_ok(engine_read_tensor(x, e, p, MODEL_INPUT));
    for (int k = 0; k < 256 * 3; k++) {
        float v = (float)(k / 3) / 255.0f;
        v = (v - o.mean[k % 3]) / o.std[k % 3];
        assert_true(x[k] == (double)v);
    }
    batch_deinit(&b);
    engine_destroy(e);
    model_destroy(n);
}

/** Training changes the weights after a plan for evaluation was compiled and run; the plan must use the new weights. */
static void test_weights_are_repacked(void **state) {
    (void)state;
    model *n = resnet("resnet18");
    engine *old = NULL, *fresh = NULL;
    engine_plan *train = NULL, *v = NULL;
    batch b;
    size_t c = 0;
    double a[6 * SMALL_CLASSES], z[6 * SMALL_CLASSES];
    assert_ok(open_engine(&old, n, PRECISION_32, 2));
    assert_ok(open_engine(&fresh, n, PRECISION_32, 2));
    assert_ok(engine_init_weights(old, 1));
    small_batch(&b, 6, 32, 32, 1);
    assert_ok(engine_compile(&train, old, 6, 32, 32, true));
    assert_ok(engine_compile(&v, old, 6, 32, 32, false));
    for (int step = 0; step < 2; step++) {
        train_step(old, train, &b, step);
        assert_ok(engine_load_batch(old, v, &b));
        assert_ok(engine_forward(old, v));
        assert_ok(engine_read_tensor(a, old, v, n->layer_n - 1));
    }
    double *w = read_all(&c, old, n, ENGINE_WEIGHT), *s = read_all(&c, old, n, ENGINE_STATS);
    write_all(fresh, n, ENGINE_WEIGHT, w);
    write_all(fresh, n, ENGINE_STATS, s);
    assert_ok(engine_compile(&v, fresh, 6, 32, 32, false));
    assert_ok(engine_load_batch(fresh, v, &b));
    assert_ok(engine_forward(fresh, v));
    assert_ok(engine_read_tensor(z, fresh, v, n->layer_n - 1));
    assert_memory_equal(a, z, sizeof a);
    free(w);
    free(s);
    batch_deinit(&b);
    engine_destroy(old);
    engine_destroy(fresh);
    model_destroy(n);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_bf16_is_faster),
        cmocka_unit_test(test_pixels),        cmocka_unit_test(test_weights_are_repacked),
        cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_threads),
    };
    (void)argc;
    pair_main_start(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
