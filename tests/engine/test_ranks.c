/* Several ranks against one rank with the world batch, and against PyTorch's DDP. Each case runs this program under
 * mpirun; rank 0 writes the results to a file. */
#include "engine/ranks_run.h"

#include <dlfcn.h>
#include <sys/wait.h>

enum { STEPS = 10, EVEN = 8, UNEVEN = 10, FEW = 3, LOGITS = EVEN * SMALL_CLASSES };

/** sync_bn: with SyncBN, batches of 10 images and one of 3, fewer than 4 ranks. Otherwise all batches have 8. */
typedef struct rank_case {
    const char *name;
    bool sync_bn, nccl;
    precision precision;
} rank_case;

static const rank_case rank_cases[] = {{.name = "local_bn"},
                                       {.name = "sync_bn", .sync_bn = true},
                                       {.name = "sync_bn_16", .sync_bn = true, .precision = PRECISION_16},
                                       {.name = "nccl", .nccl = true}};

static const rank_case *find_case(const char *name) {
    const rank_case *w = rank_cases;
    while (strcmp(w->name, name) != 0)
        w++;
    return w;
}

static int images_of(bool sync_bn, int step) { return !sync_bn ? EVEN : step == 4 ? FEW : UNEVEN; }

static void one_step(engine *e, comm *c, bool sync_bn, int step) {
    int n = images_of(sync_bn, step), ranks = comm_ranks(c), rank = comm_rank(c);
    int low = (n * rank + ranks - 1) / ranks, high = (n * (rank + 1) + ranks - 1) / ranks;
    engine_hyper h = {.lr = 0.05,
                      .momentum = 0.9,
                      .weight_decay = 1e-4,
                      .clip_norm = 1,
                      .first_step = step == 0,
                      .loss_scale = 1,
                      .images = (double)n / ranks};
    batch whole = parity_batch_open(n, SIDE, SIDE);
    parity_batch(&whole, step, SMALL_CLASSES, false);
    assert_ok(engine_set_hyper(e, &h));
    if (high > low) {
        engine_plan *p = NULL;
        batch own = slice_of(&whole, low, high);
        assert_ok(engine_compile(&p, e, own.n, SIDE, SIDE, true));
        assert_ok(engine_load_batch(e, p, &own));
        assert_ok(engine_step(e, p, ENGINE_FIRST | ENGINE_LAST));
        batch_deinit(&own);
    } else {
        assert_ok(engine_step_empty(e, ENGINE_LAST));
    }
    batch_deinit(&whole);
}

static engine *train(const model *n, const char *device, comm *c, const rank_case *w) {
    engine *e = NULL;
    engine_options o = engine_options_default();
    o.comm = c;
    o.sync_bn = w->sync_bn;
    o.precision = w->precision;
    o.bucket_bytes = 1000; /* several buckets */
    o.threads = 1;
    assert_ok(engine_create(&e, device, n, &o));
    parity_write_weights(e, n, false);
    for (int step = 0; step < STEPS; step++)
        one_step(e, c, w->sync_bn, step);
    return e;
}

/** The logits of a batch, in evaluation: each rank by itself. */
static double *evaluate(engine *e, const model *n) {
    double *out = allocated(LOGITS, sizeof *out);
    engine_plan *p = NULL;
    batch b = parity_batch_open(EVEN, SIDE, SIDE);
    parity_batch(&b, STEPS, SMALL_CLASSES, false);
    assert_ok(engine_compile(&p, e, b.n, SIDE, SIDE, false));
    assert_ok(engine_load_batch(e, p, &b));
    assert_ok(engine_forward(e, p));
    assert_ok(engine_read_tensor(out, e, p, n->layer_n - 1));
    batch_deinit(&b);
    return out;
}

/** In 16 bits on the stand-ins: convolutions compute the sums for SyncBN; the other fusions with BN are not selected.
 */
static void check_fusions(void) {
    void *handle = dlopen("libcuda.so.1", RTLD_NOW), *address = dlsym(handle, "fake_cuda_counts");
    int (*counts)(int what) = NULL;
    memcpy(&counts, &address, sizeof counts);
    if (counts == NULL)
        return;
    assert_true(counts(2) > 0);
    assert_int_equal(counts(4) + counts(5), 0);
}

/** The program of each rank. */
static int run_rank(const char *device, const char *how, const char *path) {
    comm *c = NULL;
    model *n = small_residual_model();
    size_t weights = 0, stats = 0;
    assert_ok(comm_open(&c));
    const rank_case *w = find_case(how);
    engine *e = train(n, device, c, w);
    assert_int_equal(strstr(engine_description(e), "NCCL") != NULL, w->nccl);
    if (w->sync_bn && w->precision == PRECISION_16)
        check_fusions();
    double *weight = read_all(&weights, e, n, ENGINE_WEIGHT), *s = read_all(&stats, e, n, ENGINE_STATS);
    write_results(c, path, weight, weights, s, stats);
    if (comm_rank(c) == 0) {
        double *logits = evaluate(e, n);
        FILE *f = fopen(path, "ab");
        assert_non_null(f);
        assert_int_equal(fwrite(logits, sizeof *logits, LOGITS, f), LOGITS);
        assert_int_equal(fclose(f), 0);
        free(logits);
    }
    engine_destroy(e);
    assert_ok(comm_barrier(c));
    comm_close(c);
    free(weight);
    free(s);
    model_destroy(n);
    return 0;
}

/** Trains until the exchange fails on this rank or another, and prints the message. No rank waits forever. */
static int run_failing_rank(const char *device, const char *symbol, bool sync_bn) {
    comm *c = NULL;
    engine *e = NULL;
    model *n = small_residual_model();
    engine_options o = engine_options_default();
    assert_ok(comm_open(&c));
    if (comm_rank(c) == 1)
        setenv("FAKE_CUDA_FAIL", symbol, 1);
    o.comm = c;
    o.sync_bn = sync_bn;
    o.bucket_bytes = 1000;
    int rc = engine_create(&e, device, n, &o);
    if (rc == OK) {
        engine_plan *p = NULL;
        batch b = parity_batch_open(EVEN, SIDE, SIDE);
        parity_batch(&b, 0, SMALL_CLASSES, false);
        assert_ok(engine_compile(&p, e, b.n, SIDE, SIDE, true));
        assert_ok(engine_load_batch(e, p, &b));
        rc = engine_step(e, p, ENGINE_FIRST | ENGINE_LAST);
        batch_deinit(&b);
    }
    fprintf(stderr, "rank %d fails with %d: %s\n", comm_rank(c), rc, status_message());
    if (rc == E_DEVICE)
        c->tell(c, status_message());
    engine_destroy(e);
    comm_close(c);
    model_destroy(n);
    _exit(rc == OK ? 0 : 1);
}

/** One rank with the world batch: on the ref engine, or in 16 bits on this device without the fusions that several
 * ranks do not use, so that both round the same values. */
static engine *train_alone(const model *n, const char *device, const rank_case *w) {
    if (w->precision != PRECISION_16)
        return train(n, "ref", NULL, w);
    setenv("FAKE_CUDA_PROLOGUE", "rejected", 1);
    setenv("FAKE_CUDA_GRADIENT", "rejected", 1);
    engine *e = train(n, device, NULL, w);
    unsetenv("FAKE_CUDA_PROLOGUE");
    unsetenv("FAKE_CUDA_GRADIENT");
    return e;
}

/** Weights, statistics, logits. */
static size_t results(const model *n) { return n->weight_n + n->stats_elements + LOGITS; }

static void check_sync_bn(const char *device, int ranks, const char *how, double bound) {
    model *n = small_residual_model();
    size_t weights = 0, stats = 0;
    engine *e = train_alone(n, device, find_case(how));
    double *w = read_all(&weights, e, n, ENGINE_WEIGHT), *s = read_all(&stats, e, n, ENGINE_STATS);
    double *got = run_ranks(results(n), ranks, device, how), *logits = evaluate(e, n);
    assert_values_near(got, w, weights, bound);
    assert_values_near(got + weights, s, stats, bound);
    assert_values_near(got + weights + stats, logits, LOGITS, bound);
    free(got);
    free(logits);
    free(w);
    free(s);
    engine_destroy(e);
    model_destroy(n);
}

static void sync_bn_ref(void **state) {
    (void)state;
    check_sync_bn("ref", 2, "sync_bn", 1e-9);
    check_sync_bn("ref", 4, "sync_bn", 1e-9);
}

static void sync_bn_cpu(void **state) {
    (void)state;
    if (engine_unavailable("cpu") == NULL)
        check_sync_bn("cpu", 2, "sync_bn", 1e-3);
}

/** Ranks on the cuda engine against the ref engine with the world batch. */
static void sync_bn_cuda(void **state) {
    (void)state;
    if (engine_unavailable("cuda") != NULL)
        return;
    check_sync_bn("cuda", 2, "sync_bn", 1e-4);
    check_sync_bn("cuda", 4, "sync_bn", 1e-4);
    /* on a GPU, one rank selects fusions that round differently; logits differed by 3e-2 */
    check_sync_bn("cuda", 2, "sync_bn_16", has_stand_in_nccl() ? 1e-2 : 1e-1);
}

/** Gradients of a GPU are exchanged through host memory. */
static void local_bn_cuda(void **state) {
    (void)state;
    if (engine_unavailable("cuda") != NULL)
        return;
    model *n = small_residual_model();
    double *ref = run_ranks(results(n), 2, "ref", "local_bn"), *got = run_ranks(results(n), 2, "cuda", "local_bn");
    assert_values_near(got, ref, n->weight_n, 1e-3);
    free(ref);
    free(got);
    model_destroy(n);
}

/** Each rank has a GPU of its own: NCCL gives the same weights as the exchange through host memory. */
static void local_bn_nccl(void **state) {
    (void)state;
    if (!has_stand_in_nccl())
        return;
    model *n = small_residual_model();
    for (int ranks = 2; ranks <= 4; ranks += 2) {
        setenv("FAKE_CUDA_DEVICES", "1", 1);
        double *host = run_ranks(results(n), ranks, "cuda", "local_bn");
        setenv("FAKE_CUDA_DEVICES", "4", 1);
        double *got = run_ranks(results(n), ranks, "cuda", "nccl");
        assert_values_near(got, host, n->weight_n + n->stats_elements + LOGITS, ranks == 2 ? 0 : 1e-5);
        free(host);
        free(got);
    }
    unsetenv("FAKE_CUDA_DEVICES");
    model_destroy(n);
}

/** A call fails on rank 1. Rank 1 reports it in one line, and rank 0 is informed while it waits. */
static void failing_nccl(void **state) {
    static const struct {
        const char *symbol, *message, *how;
    } cases[] = {
        {"ncclAllReduce:2", "exchanging gradients: ncclAllReduce: unhandled system error: made to fail\n", "failing"},
        {"ncclCommInitRankConfig:1",
         "initialising NCCL: ncclCommInitRankConfig: unhandled system error: made to fail\n", "failing"},
        {"cuEventQuery:1", "exchanging gradients: cuEventQuery: made to fail", "failing"},
        {"cuMemcpyDtoHAsync_v2:3", "synchronising batch norms: cuMemcpyDtoHAsync_v2: made to fail", "failing_sync_bn"},
    };
    (void)state;
    if (!has_stand_in_nccl())
        return;
    setenv("FAKE_CUDA_DEVICES", "2", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[2048], said[16384] = "", own[256], told[256];
        char how[64];
        snprintf(how, sizeof how, "%s 2>&1", cases[i].how);
        mpirun(command, 2, "cuda", cases[i].symbol, how);
        FILE *out = popen(command, "r"); /* NOLINT(cert-env33-c) */
        assert_non_null(out);
        said[fread(said, 1, sizeof said - 1, out)] = 0;
        assert_int_not_equal(pclose(out), 0);
        snprintf(own, sizeof own, "rank 1 fails with %d: %s", E_DEVICE, cases[i].message);
        snprintf(told, sizeof told, "rank 0 fails with %d: rank 1 on ", E_RANK);
        if (strstr(said, own) == NULL || strstr(said, told) == NULL)
            fail_msg("%s: '%s' or '%s' is missing in:\n%s", cases[i].symbol, own, told, said);
    }
    unsetenv("FAKE_CUDA_DEVICES");
}

/** Without SyncBN, as in DDP: batch norm normalises the images of each rank separately; rank 0's statistics are
 * compared. */
static void against_ddp(void **state) {
    (void)state;
    golden g = golden_open("ddp");
    model *n = small_residual_model();
    for (int ranks = 2; ranks <= 4; ranks += 2) {
        char key[96];
        double *got = run_ranks(results(n), ranks, "ref", "local_bn"), worst = 0;
        for (int i = 0; i < n->param_n; i++) {
            const param *p = &n->param[i];
            double *start = allocated(p->count, sizeof *start), *change = got + p->offset;
            parity_values(start, p->name, p, false);
            for (size_t k = 0; k < p->count; k++)
                change[k] -= start[k];
            golden_key(key, "change.%d/%s", ranks, p->name);
            worst = fmax(worst, golden_distance(&g, key, change, p->count));
            free(start);
        }
        for (int i = 0; i < n->stats_n; i++) {
            const model_stats *s = &n->stats[i];
            golden_key(key, "stats.%d/%s.running_mean", ranks, s->name);
            worst = fmax(worst, golden_distance(&g, key, got + n->weight_n + s->offset, (size_t)s->c));
            golden_key(key, "stats.%d/%s.running_var", ranks, s->name);
            worst = fmax(worst, golden_distance(&g, key, got + n->weight_n + s->offset + s->c, (size_t)s->c));
        }
        print_message("%d ranks: at most %.2g from DDP\n", ranks, worst);
        assert_true(worst < 1e-6);
        free(got);
    }
    golden_close(&g);
    model_destroy(n);
}

int main(int argc, char **argv) {
    if (argc == 4 && launched())
        return strncmp(argv[3], "failing", 7) == 0 ? run_failing_rank(argv[1], argv[2], strchr(argv[3], '_') != NULL)
                                                   : run_rank(argv[1], argv[2], argv[3]);
    if (system("mpirun --version >/dev/null 2>&1") != 0) {
        puts("skipped: there is no mpirun");
        return 77;
    }
    char folder[256]; /* for cuDNN's choices, without those of earlier runs */
    make_temporary_folder(folder);
    assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(sync_bn_ref),   cmocka_unit_test(sync_bn_cpu),
                                       cmocka_unit_test(sync_bn_cuda),  cmocka_unit_test(local_bn_cuda),
                                       cmocka_unit_test(local_bn_nccl), cmocka_unit_test(failing_nccl),
                                       cmocka_unit_test(against_ddp)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder(folder);
    return failed;
}
