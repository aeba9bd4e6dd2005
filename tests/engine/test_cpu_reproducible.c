/* Equal steps give identical bytes: weights and running statistics after three steps, of which the last has a short
 * batch, on 1 to 5 threads, while other processes compete for the cores.
 *
 * Each repetition first computes gradients of a different batch, so that the arena's initial content differs. Values
 * that a kernel reads from unwritten memory may still be equal each time; backend/cpu_onednn tests for that.
 *
 * Argument: number of repetitions of each case with each number of threads; default: as many as the default tier
 * allows. */
#define _GNU_SOURCE
#include "engine/layer_pair.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { STEPS = 3 };

typedef struct training_case {
    const char *arch; /* NULL: small_residual_model */
    int images, last, h, w;
    int repetitions; /* by default */
} training_case;

static const training_case cases[] = {
    {NULL, 6, 3, 32, 40, 20},      {NULL, 5, 2, 16, 16, 20},      {"resnet18", 6, 5, 32, 40, 3},
    {"resnet18", 4, 2, 16, 16, 3}, {"resnet50", 3, 2, 33, 47, 2},
};

static int repetitions; /* 0: the default of each case */

static model *case_model(const training_case *c) {
    model *n = NULL;
    model_options o = {.classes = SMALL_CLASSES, .decay_norm = true, .decay_bias = true};
    if (c->arch == NULL)
        return small_residual_model();
    assert_ok(model_create(&n, c->arch, &o));
    return n;
}

/** Gradients of `images` images. */
static void gradients(engine *e, const training_case *c, int images, uint64_t seed) {
    engine_plan *plan = NULL;
    batch b;
    small_batch(&b, images, c->h, c->w, seed);
    assert_ok(engine_compile(&plan, e, images, c->h, c->w, true));
    run_step(e, plan, &b);
    batch_deinit(&b);
}

static void step(engine *e, const training_case *c, int images, int number) {
    engine_hyper h = {.lr = 0.05,
                      .momentum = 0.9,
                      .weight_decay = 1e-4,
                      .clip_norm = 1,
                      .first_step = number == 0,
                      .loss_scale = 1,
                      .images = images};
    assert_ok(engine_set_hyper(e, &h));
    gradients(e, c, images, 1 + (uint64_t)number);
    assert_ok(engine_unscale(e));
    assert_ok(engine_update(e));
}

static engine *open_engine(const model *n, precision p, int threads) {
    engine_options o = engine_options_default();
    engine *e = NULL;
    o.precision = p;
    o.threads = threads;
    assert_ok(engine_create(&e, "cpu", n, &o));
    return e;
}

/** Weights and statistics, weight_n + stats_elements of them. */
static void read_state(double *out, engine *e, const model *n) {
    for (int i = 0; i < n->param_n; i++)
        assert_ok(engine_read(out + n->param[i].offset, e, ENGINE_WEIGHT, i));
    for (int i = 0; i < n->stats_n; i++)
        assert_ok(engine_read(out + n->weight_n + n->stats[i].offset, e, ENGINE_STATS, i));
}

/** The state after the steps, from the state `initial`. */
static void train(double *out, engine *e, const model *n, const training_case *c, const double *initial,
                  int repetition) {
    gradients(e, c, c->images + 1,
              100 + (uint64_t)repetition); /* the content that it leaves in the arena must have no effect */
    write_all(e, n, ENGINE_WEIGHT, initial);
    write_all(e, n, ENGINE_STATS, initial + n->weight_n);
    for (int i = 0; i < STEPS; i++)
        step(e, c, i == STEPS - 1 ? c->last : c->images, i);
    read_state(out, e, n);
}

static void check_case(const training_case *c, precision p, int threads) {
    model *n = case_model(c);
    size_t bytes = (n->weight_n + n->stats_elements) * sizeof(double);
    double *initial = allocated(bytes, 1), *first = allocated(bytes, 1), *again = allocated(bytes, 1);
    int runs = repetitions > 0 ? repetitions : c->repetitions, differ = 0;
    engine *e = open_engine(n, p, threads);
    assert_ok(engine_init_weights(e, 1));
    read_state(initial, e, n);
    train(first, e, n, c, initial, 0);
    for (int i = 1; i < runs; i++) {
        if (i == runs / 2) { /* new primitives, other addresses */
            engine_destroy(e);
            e = open_engine(n, p, threads);
        }
        train(again, e, n, c, initial, i);
        differ += memcmp(first, again, bytes) != 0;
    }
    engine_destroy(e);
    for (size_t i = 0; i < bytes / sizeof *first; i++)
        assert_true(isfinite(first[i]));
    if (repetitions > 0 || differ > 0)
        print_message("%s, %s, %d and %d images of %d x %d, %d threads: %d of %d differ\n",
                      c->arch != NULL ? c->arch : "small net", precision_name(p), c->images, c->last, c->h, c->w,
                      threads, differ, runs - 1);
    assert_int_equal(differ, 0);
    free(initial);
    free(first);
    free(again);
    model_destroy(n);
}

static void check_precision(precision p) {
    static const int threads[] = {1, 2, 3, 5};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++)
            if (repetitions > 0 || (cases[i].arch == NULL ? threads[t] < 5 : threads[t] == (i % 2 == 0 ? 2 : 5)))
                check_case(&cases[i], p, threads[t]);
}

static void test_fp32(void **state) {
    (void)state;
    check_precision(PRECISION_32);
}

static void test_bf16(void **state) {
    (void)state;
    if (!engine_has_bf16()) {
        print_message("no bf16 arithmetic at this CPU level\n");
        skip();
    }
    check_precision(PRECISION_BF16);
}

/** Uses one core until this process ends, at a lower priority, so that the test gets most of the time. */
static pid_t load_start(void) {
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (nice(5) == -1)
            _exit(1);
        for (volatile unsigned i = 0;; i++)
            ;
    }
    return pid;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fp32), cmocka_unit_test(test_bf16)};
    pair_main_start(argv);
    repetitions = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    pid_t load[2] = {load_start(), load_start()};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < 2; i++)
        if (load[i] > 0 && kill(load[i], SIGKILL) == 0)
            waitpid(load[i], NULL, 0);
    return failed;
}
