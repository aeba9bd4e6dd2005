/* The cuda engine when the driver or cuDNN fails, with the stand-ins of fake_cuda: there is one message that
 * contains the call, and no GPU memory is leaked; a step that cannot be recorded is queued call by call; a plan that
 * does not fit is refused; a profile uses the stand-ins' clock. */
#define _GNU_SOURCE
#include "engine/profile.h"
#include "engine/small_models.h"

#include <dlfcn.h>

typedef struct stand_in {
    int (*memory_info)(size_t *free_bytes, size_t *total_bytes); /* cuMemGetInfo_v2 */
    int (*counts)(int what);                                     /* 0: graphs, 1: replays, 3: waits */
    int (*varying_runs)(void); /* runs of the stand-in's non-deterministic candidate */
} stand_in;

static stand_in library;

/** Copies a function's address, because C has no cast from a data pointer. @return whether the symbol exists */
static bool find(void *out, void *handle, const char *symbol) {
    void *address = dlsym(handle, symbol);
    memcpy(out, &address, sizeof address);
    return address != NULL;
}

static size_t used_bytes(void) {
    size_t unused = 0, total = 0;
    assert_int_equal(library.memory_info(&unused, &total), 0);
    return total - unused;
}

static int run_steps_with(engine_options o, int steps, int side) {
    model *n = small_residual_model();
    engine *e = NULL;
    engine_plan *p = NULL;
    batch b;
    engine_hyper h = {.lr = 0.01, .loss_scale = 1, .first_step = true, .images = 2};
    int rc = OK;
    small_batch(&b, 2, side, side, 7);
    o.precision = PRECISION_16;
    TRY(engine_create(&e, "cuda", n, &o));
    TRY(engine_init_weights(e, 1));
    TRY(engine_compile(&p, e, 2, side, side, true));
    for (int i = 0; i < steps; i++) {
        TRY(engine_set_hyper(e, &h));
        TRY(engine_load_batch(e, p, &b));
        TRY(engine_step(e, p, ENGINE_FIRST | ENGINE_LAST));
    }
    engine_result_data r;
    TRY(engine_result(&r, e));
done:
    engine_destroy(e);
    batch_deinit(&b);
    model_destroy(n);
    return rc;
}

/** Runs steps until one fails. @return 0 or the first error */
static int run_steps(int steps, int side) { return run_steps_with(engine_options_default(), steps, side); }

static void test_calls_that_fail(void **state) {
    (void)state;
    static const struct {
        const char *symbol;
        int call;
    } cases[] = {
        {"cuDevicePrimaryCtxRetain", 1}, {"cuMemAlloc_v2", 1},        {"cuMemAlloc_v2", 3},
        {"cuModuleLoadData", 1},         {"cuMemHostAlloc", 1},       {"cuMemcpyHtoDAsync_v2", 2},
        {"cuLaunchKernel", 1},           {"cuLaunchKernel", 9},       {"cudnnCreate", 1},
        {"cudnnBackendExecute", 1},      {"cudnnBackendExecute", 12}, {"cudnnBackendCreateDescriptor", 1},
    };
    assert_ok(run_steps(2, 16)); /* autotune first: a candidate that fails during autotuning is only discarded */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char what[96];
        snprintf(what, sizeof what, "%s:%d", cases[i].symbol, cases[i].call);
        setenv("FAKE_CUDA_FAIL", what, 1);
        int rc = run_steps(2, 16);
        if (rc == OK || strstr(status_message(), cases[i].symbol) == NULL || strchr(status_message(), '\n') != NULL)
            fail_msg("%s: %d, \"%s\"", what, rc, rc != OK ? status_message() : "");
        if (used_bytes() != 0)
            fail_msg("%s: %zu bytes are left on the GPU", what, used_bytes());
    }
    unsetenv("FAKE_CUDA_FAIL");
}

static void test_steps_not_recorded(void **state) {
    (void)state;
    static const char *const calls[] = {"cuStreamBeginCapture_v2:1", "cuStreamEndCapture:1",
                                        "cuGraphInstantiateWithFlags:1"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int replays = library.counts(1);
        setenv("FAKE_CUDA_FAIL", calls[i], 1);
        assert_ok(run_steps(4, 16));
        assert_int_equal(library.counts(1), replays);
        assert_int_equal(used_bytes(), 0);
    }
    unsetenv("FAKE_CUDA_FAIL");
    int graphs = library.counts(0), replays = library.counts(1);
    assert_ok(run_steps(4, 16));
    assert_int_equal(library.counts(0), graphs + 1);
    assert_int_equal(library.counts(1), replays + 3); /* the first step runs call by call */
}

static void test_memory_limit(void **state) {
    (void)state;
    setenv("FAKE_CUDA_MEMORY", "3000000", 1);
    assert_ok(run_steps(1, 16));
    assert_fails(E_NOMEM, "GPU", run_steps(1, 512));
    assert_int_equal(used_bytes(), 0);
    unsetenv("FAKE_CUDA_MEMORY");
}

/** The stand-ins' clock is exact: a kernel takes 1 ms, a convolution 2 ms. */
static void assert_ms(double seconds, double ms) { assert_close(1e3 * seconds, ms, 1e-5); }

static void check_times(const model *n, const engine_times *t, int steps) {
    const double *first =
        t->layer[0]; /* a kernel packs its weights before, and one adds dw to the gradient slot afterwards */
    assert_ms(first[PASS_FORWARD], 3 * steps);
    assert_ms(first[PASS_WGRAD], 3 * steps);
    assert_ms(first[PASS_BACKWARD], 0); /* the image has no gradient */
    for (int i = 0; i < n->layer_n; i++) {
        bool summed = n->layer[i].in_c % 8 == 0; /* the preceding convolution computes the sums */
        /* the following convolution sums the gradient, and bn_round_factors replaces bn_apply */
        bool shared = summed && n->layer[i].relu && n->layer[i].residual == TENSOR_NONE;
        if (n->layer[i].kind == LAYER_BN) {
            assert_ms(t->layer[i][PASS_FORWARD], (summed ? 2 : 3) * steps);
            assert_ms(t->layer[i][PASS_BACKWARD], (shared ? 2 : 3) * steps);
        }
    }
    assert_ms(t->phase[PHASE_LOSS], 2 * steps);
}

static void test_profile(void **state) {
    (void)state;
    enum { STEPS = 3 };
    model *n = small_residual_model();
    engine_options o = engine_options_default();
    engine *e = NULL;
    engine_plan *p = NULL;
    batch b;
    engine_hyper h = {.lr = 0.01, .loss_scale = 1, .first_step = true, .images = 2};
    small_batch(&b, 2, 16, 16, 7);
    o.precision = PRECISION_16;
    assert_ok(engine_create(&e, "cuda", n, &o));
    assert_ok(engine_init_weights(e, 1));
    assert_ok(engine_compile(&p, e, 2, 16, 16, true));
    for (int i = -1; i < STEPS; i++) {
        if (i == 0)
            engine_profile_start(e);
        int waits = library.counts(3);
        assert_ok(engine_set_hyper(e, &h));
        assert_ok(engine_load_batch(e, p, &b));
        assert_ok(engine_step(e, p, ENGINE_FIRST | ENGINE_LAST));
        assert_true(i < 1 ||
                    library.counts(3) == waits + 1); /* both staging buffers are allocated, so there is no other wait */
    }
    assert_ok(engine_profile_stop(e));
    check_times(n, engine_profile_times(e), STEPS);
    engine_destroy(e);
    assert_int_equal(used_bytes(), 0);
    batch_deinit(&b);
    model_destroy(n);
}

static void test_deterministic(void **state) {
    (void)state;
    engine_options o = engine_options_default();
    int before = library.varying_runs();
    assert_ok(run_steps_with(o, 1, 20));
    assert_int_equal(library.varying_runs(), before);
    o.deterministic = false;
    assert_ok(run_steps_with(o, 1, 20));
    assert_true(library.varying_runs() > before);
    before = library.varying_runs();
    o.deterministic = true; /* choices made without it are not used */
    assert_ok(run_steps_with(o, 1, 20));
    assert_int_equal(library.varying_runs(), before);
}

static void test_index(void **state) {
    (void)state;
    engine_options o = engine_options_default();
    o.device_index = 7;
    char address[ENGINE_PCI_ADDRESS];
    assert_fails(E_OPTION, "GPU 7 does not exist: visible GPUs: 1", run_steps_with(o, 1, 16));
    assert_fails(E_OPTION, "GPU 7 does not exist: visible GPUs: 1", engine_pci_address(address, "cuda", &o));
}

static void test_pci_address(void **state) {
    (void)state;
    engine_options o = engine_options_default();
    comm c = {.local_rank = 5};
    char address[ENGINE_PCI_ADDRESS];
    setenv("FAKE_CUDA_DEVICES", "4", 1);
    o.device_index = 2;
    assert_ok(engine_pci_address(address, "cuda", &o));
    assert_string_equal(address, "0000:3d:00.0");
    o.comm = &c;
    assert_ok(engine_pci_address(address, "cuda", &o));
    assert_string_equal(address, "0000:3c:00.0");
    assert_ok(engine_pci_address(address, "ref", &o));
    assert_string_equal(address, "");
    unsetenv("FAKE_CUDA_DEVICES");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_calls_that_fail),
        cmocka_unit_test(test_steps_not_recorded),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_pci_address),
    };
    void *handle = dlopen("libcuda.so.1", RTLD_NOW);
    if (handle == NULL || !find(&library.counts, handle, "fake_cuda_counts") ||
        !find(&library.varying_runs, handle, "fake_cudnn_varying_runs") ||
        !find(&library.memory_info, handle, "cuMemGetInfo_v2") || engine_unavailable("cuda") != NULL) {
        print_message("skipped: needs the cuda engine and the stand-ins of fake_cuda\n");
        return 77;
    }
    char folder[256]; /* for cuDNN's choices, without those of earlier runs */
    make_temporary_folder(folder);
    int failed = setenv("XDG_CACHE_HOME", folder, 1) == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    remove_folder(folder);
    return failed;
}
