/* The all-reduce of gradients in 32 and 16 bits: weights and statistics after some steps equal those of one process
 * that computes each rank's part and sums the gradients itself. In one step only rank 1 overflows, and all ranks
 * skip the step. */
#include "backend/convert.h"
#include "engine/ranks_run.h"

enum { STEPS = 6, IMAGES = 8, OVERFLOWS = 3 };

typedef struct half_case {
    const char *name, *device;
    precision precision;
    bool half; /* requested */
    element type;
    bool nccl;
} half_case;

static const half_case cases[] = {
    {"mixed", "cpu", PRECISION_BF16, false, ELEMENT_F32, false},
    {"plain", "cpu", PRECISION_32, true, ELEMENT_F32, false}, /* fp32 is the compute type, so gradients stay fp32 */
    {"bf16", "cpu", PRECISION_BF16, true, ELEMENT_BF16, false},
    {"gpu-fp16", "cuda", PRECISION_16, true, ELEMENT_F16, false},
    {"gpu-bf16", "cuda", PRECISION_BF16, true, ELEMENT_BF16, false},
    {"nccl-fp16", "cuda", PRECISION_16, true, ELEMENT_F16, true},
    {"nccl-bf16", "cuda", PRECISION_BF16, true, ELEMENT_BF16, true},
};

static const half_case *find_case(const char *name) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, name) == 0)
            return &cases[i];
    fail_msg("no case is named %s", name);
    return NULL;
}

static int engine_for(engine **e, const model *n, const half_case *v, comm *c) {
    engine_options o = engine_options_default();
    o.precision = v->precision;
    o.comm = c;
    o.half_gradients = v->half;
    o.bucket_bytes = 1000; /* several buckets */
    o.threads = 1;
    return engine_create(e, v->device, n, &o);
}

/** Computes the gradients of this rank's part of a batch. */
static void compute(engine *e, int rank, int ranks, int step) {
    bool overflows = step == OVERFLOWS && rank == 1;
    engine_hyper h = {.lr = 0.05,
                      .momentum = 0.9,
                      .weight_decay = 1e-4,
                      .clip_norm = 1,
                      .first_step = step == 0,
                      .loss_scale = overflows ? 1e38 : 1,
                      .images = (overflows ? 1e-3 : 1) * IMAGES / ranks};
    engine_plan *p = NULL;
    batch whole = parity_batch_open(IMAGES, SIDE, SIDE);
    parity_batch(&whole, step, SMALL_CLASSES, false);
    batch own = slice_of(&whole, IMAGES * rank / ranks, IMAGES * (rank + 1) / ranks);
    assert_ok(engine_set_hyper(e, &h));
    assert_ok(engine_compile(&p, e, own.n, SIDE, SIDE, true));
    run_step(e, p, &own);
    batch_deinit(&own);
    batch_deinit(&whole);
}

static void update(engine *e, int step) {
    engine_result_data r;
    assert_ok(engine_unscale(e));
    assert_ok(engine_update(e));
    assert_ok(engine_result(&r, e));
    assert_int_equal(r.finite, step != OVERFLOWS);
}

static double rounded(double x, element type) {
    unsigned char bits[sizeof(double)];
    elements_from_double(bits, &x, type, 1);
    elements_to_double(&x, bits, type, 1);
    return x;
}

/** All-reduces the gradients in the order of the ranks, as PyTorch's hooks do: rounds, divides, adds. fp32 is divided
 * at the end. */
static void reduce_gradients(engine **e, const model *n, int ranks, element type) {
    double *sum = allocated(n->weight_n, sizeof *sum);
    size_t count = 0;
    for (int r = 0; r < ranks; r++) {
        double *g = read_all(&count, e[r], n, ENGINE_GRADIENT);
        for (size_t i = 0; i < count; i++)
            sum[i] = rounded(sum[i] + (type == ELEMENT_F32 ? g[i] : rounded(rounded(g[i], type) / ranks, type)), type);
        free(g);
    }
    for (size_t i = 0; i < count && type == ELEMENT_F32; i++)
        sum[i] = rounded(sum[i] / ranks, type);
    for (int r = 0; r < ranks; r++)
        write_all(e[r], n, ENGINE_GRADIENT, sum);
    free(sum);
}

/** Weights, then statistics of rank 0. */
static double *run_alone(const model *n, int ranks, const half_case *v) {
    engine *e[4] = {NULL};
    size_t weights = 0, stats = 0;
    for (int r = 0; r < ranks; r++) {
        assert_ok(engine_for(&e[r], n, v, NULL));
        parity_write_weights(e[r], n, false);
    }
    for (int step = 0; step < STEPS; step++) {
        for (int r = 0; r < ranks; r++)
            compute(e[r], r, ranks, step);
        reduce_gradients(e, n, ranks, v->type);
        for (int r = 0; r < ranks; r++)
            update(e[r], step);
    }
    double *w = read_all(&weights, e[0], n, ENGINE_WEIGHT), *s = read_all(&stats, e[0], n, ENGINE_STATS);
    double *out = allocated(weights + stats, sizeof *out);
    memcpy(out, w, weights * sizeof *w);
    memcpy(out + weights, s, stats * sizeof *s);
    free(w);
    free(s);
    for (int r = 0; r < ranks; r++)
        engine_destroy(e[r]);
    return out;
}

/** The program of each rank. */
static int run_rank(const char *how, const char *path) {
    const half_case *v = find_case(how);
    comm *c = NULL;
    engine *e = NULL;
    model *n = small_residual_model();
    size_t weights = 0, stats = 0;
    assert_ok(comm_open(&c));
    assert_ok(engine_for(&e, n, v, c));
    assert_int_equal(strstr(engine_description(e), "NCCL") != NULL, v->nccl);
    parity_write_weights(e, n, false);
    for (int step = 0; step < STEPS; step++) {
        compute(e, comm_rank(c), comm_ranks(c), step);
        update(e, step);
    }
    double *w = read_all(&weights, e, n, ENGINE_WEIGHT), *s = read_all(&stats, e, n, ENGINE_STATS);
    write_results(c, path, w, weights, s, stats);
    engine_destroy(e);
    assert_ok(comm_barrier(c));
    comm_close(c);
    free(w);
    free(s);
    model_destroy(n);
    return 0;
}

/** Whether this machine supports the case. */
static bool is_supported(const model *n, const half_case *v) {
    engine *e = NULL;
    if (v->nccl && !has_stand_in_nccl())
        return false;
    bool yes = engine_unavailable(v->device) == NULL && engine_for(&e, n, v, NULL) == OK;
    engine_destroy(e);
    return yes;
}

/** A sum of two does not depend on the order, so the bits are equal. A sum of four does. */
static void check(const char *how, int ranks) {
    const half_case *v = find_case(how);
    model *n = small_residual_model();
    if (is_supported(n, v)) {
        double *expected = run_alone(n, ranks, v);
        setenv("FAKE_CUDA_DEVICES", v->nccl ? "4" : "1", 1);
        double *got = run_ranks(n->weight_n + n->stats_elements, ranks, v->device, how);
        unsetenv("FAKE_CUDA_DEVICES");
        assert_values_near(got, expected, n->weight_n, ranks == 2 ? 0 : 4e-3);
        assert_values_near(got + n->weight_n, expected + n->weight_n, n->stats_elements, ranks == 2 ? 0 : 4e-3);
        free(expected);
        free(got);
    }
    model_destroy(n);
}

static void cpu_fp32(void **state) {
    (void)state;
    check("mixed", 2);
    check("plain", 2);
}

static void cpu_bf16(void **state) {
    (void)state;
    check("bf16", 2);
    check("bf16", 4);
}

static void through_host(void **state) {
    (void)state;
    check("gpu-fp16", 2);
    check("gpu-bf16", 2);
}

static void by_nccl(void **state) {
    (void)state;
    check("nccl-fp16", 2);
    check("nccl-bf16", 2);
    check("nccl-bf16", 4);
}

static int expect_start(comm *c, comm_call *call) {
    const comm_call *expected = c->state;
    assert_int_equal(call->kind, expected->kind);
    assert_int_equal(call->type, expected->type);
    return OK;
}

static int expect_wait(comm *c, comm_call *call) {
    (void)c;
    (void)call;
    return OK;
}

/** The calls of the comm, and the memory: a 16-bit exchange needs 2 more bytes per weight. */
static void calls_and_memory(void **state) {
    (void)state;
    model *n = small_residual_model();
    const half_case *v = find_case("bf16");
    for (int half = 0; half < 2 && is_supported(n, v); half++) {
        half_case one = *v;
        engine *e = NULL, *alone = NULL;
        comm_call expected = {.kind = half ? COMM_SUM : COMM_MEAN, .type = half ? COMM_BF16 : COMM_F32};
        comm c = {.ranks = 2, .state = &expected, .start = expect_start, .wait = expect_wait};
        one.half = half;
        assert_ok(engine_for(&e, n, &one, &c));
        assert_ok(engine_for(&alone, n, &one, NULL));
        engine_memory m = engine_plan_memory(e, NULL), m_alone = engine_plan_memory(alone, NULL);
        assert_int_equal(m.parameters - m_alone.parameters, half * 2 * n->weight_n);
        compute(e, 0, 2, 0);
        engine_destroy(e);
        engine_destroy(alone);
    }
    model_destroy(n);
}

int main(int argc, char **argv) {
    if (argc == 4 && launched())
        return run_rank(argv[2], argv[3]);
    if (system("mpirun --version >/dev/null 2>&1") != 0) {
        puts("skipped: there is no mpirun");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(cpu_fp32), cmocka_unit_test(cpu_bf16),
                                       cmocka_unit_test(through_host), cmocka_unit_test(by_nccl),
                                       cmocka_unit_test(calls_and_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
