/* Gradient buckets, observed by a communicator that simulates two ranks, of which the other has no gradient. */
#include "base/file.h"
#include "small_models.h"

#include <unistd.h>

typedef struct call {
    const double *data;
    size_t n;
    bool first_layer_pending; /* the first layer's gradient was not yet complete */
} call;

enum { CALLS = 256 };

typedef struct recorder {
    comm comm;
    engine *e;
    const model *model;
    call call[CALLS];
    int n, fail_at;
} recorder;

static const double poison = 12345;

static int halve(comm *c, comm_call *asked) {
    recorder *r = c->state;
    double *x = asked->data, first = 0;
    size_t n = asked->n;
    assert_int_equal(asked->kind, COMM_MEAN);
    assert_int_equal(asked->type, COMM_F64);
    assert_null(asked->queue);
    assert_true(r->n < CALLS);
    if (r->n == r->fail_at)
        return fail(E_DEVICE, "the link is down");
    double *w = allocated(r->model->param[0].count, sizeof *w);
    assert_ok(engine_read(w, r->e, ENGINE_GRADIENT, 0));
    first = w[0];
    free(w);
    r->call[r->n++] = (call){.data = x, .n = n, .first_layer_pending = first == poison};
    for (size_t i = 0; i < n; i++)
        x[i] *= 0.5;
    return 0;
}

static int is_there(comm *c, comm_call *asked) {
    (void)c, (void)asked;
    return 0;
}

typedef struct fixture {
    model *model;
    engine *alone, *e;
    engine_plan *p_alone, *p;
    batch batch;
    recorder r;
} fixture;

static void fixture_open(fixture *f, model *n, size_t bucket_bytes, int side) {
    const engine_hyper h = {.loss_scale = 1, .images = 2};
    engine_options o = engine_options_default();
    *f = (fixture){.model = n, .r = {.model = n, .fail_at = -1}};
    f->r.comm = (comm){.rank = 0, .ranks = 2, .state = &f->r, .start = halve, .wait = is_there};
    assert_ok(engine_create(&f->alone, "ref", n, &o));
    o.comm = &f->r.comm;
    o.bucket_bytes = bucket_bytes;
    assert_ok(engine_create(&f->e, "ref", n, &o));
    f->r.e = f->e;
    small_batch(&f->batch, 2, side, side, 1);
    engine *both[] = {f->alone, f->e};
    engine_plan **plans[] = {&f->p_alone, &f->p};
    for (int i = 0; i < 2; i++) {
        assert_ok(engine_init_weights(both[i], 3));
        assert_ok(engine_set_hyper(both[i], &h));
        assert_ok(engine_compile(plans[i], both[i], 2, side, side, true));
    }
}

static void fixture_close(fixture *f) {
    batch_deinit(&f->batch);
    engine_destroy(f->alone);
    engine_destroy(f->e);
    model_destroy(f->model);
}

static void poison_gradients(fixture *f) {
    double *bad = allocated(f->model->weight_n, sizeof *bad);
    for (size_t i = 0; i < f->model->weight_n; i++)
        bad[i] = poison;
    write_all(f->e, f->model, ENGINE_GRADIENT, bad);
    free(bad);
}

/** Ranges follow each other from the arena's end to its start without gap or overlap, cut at parameters. */
static void check_cover(recorder *r, size_t bucket_bytes) {
    const model *n = r->model;
    const double *start = r->call[r->n - 1].data;
    size_t end = n->weight_n, unit = sizeof(double);
    for (int i = 0; i < r->n; i++) {
        size_t begin = (size_t)(r->call[i].data - start), count = r->call[i].n;
        assert_int_equal(begin + count, end);
        end = begin;
        const param *first = NULL;
        for (int p = 0; p < n->param_n; p++)
            first = n->param[p].offset == begin ? &n->param[p] : first;
        assert_non_null(first);
        if (bucket_bytes > 0 && i < r->n - 1)
            assert_true(count * unit >= bucket_bytes);
        if (bucket_bytes > 0) /* without its last parameter it was below the limit */
            assert_true((count - first->count) * unit < bucket_bytes);
    }
    assert_int_equal(end, 0);
}

/** Every gradient is final when it is sent (otherwise half of it would not be exact), and buckets are sent during
 * backward. */
static void run(fixture *f, size_t bucket_bytes) {
    size_t n = 0;
    f->r.n = 0;
    poison_gradients(f);
    run_step(f->alone, f->p_alone, &f->batch);
    run_step(f->e, f->p, &f->batch);
    double *expected = read_all(&n, f->alone, f->model, ENGINE_GRADIENT);
    double *got = read_all(&n, f->e, f->model, ENGINE_GRADIENT);
    for (size_t i = 0; i < n; i++)
        assert_true(got[i] == expected[i] / 2);
    check_cover(&f->r, bucket_bytes);
    for (int i = 0; i < f->r.n; i++)
        assert_int_equal(f->r.call[i].first_layer_pending, i < f->r.n - 1);
    free(expected);
    free(got);
}

static void small(void **state) {
    (void)state;
    const size_t bytes[] = {0, 1, 1000, 4000, 1 << 20};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        fixture f;
        fixture_open(&f, small_residual_model(), bytes[i], 16);
        run(&f, bytes[i]);
        run(&f, bytes[i]); /* every step sends the same buckets */
        if (bytes[i] == 0 || bytes[i] == 1 << 20)
            assert_int_equal(f.r.n, 1);
        if (bytes[i] == 1)
            assert_int_equal(f.r.n, f.model->param_n);
        fixture_close(&f);
    }
}

/** torchvision's table lists a block's downsample after its last bn, but the model runs it before. With one bucket per
 * parameter, a gradient that is sent too early is detected. */
static void table_order(void **state) {
    (void)state;
    model *n = NULL;
    fixture f;
    assert_ok(model_create(&n, "resnet18", &(model_options){.classes = SMALL_CLASSES}));
    fixture_open(&f, n, 1, 32);
    run(&f, 1);
    fixture_close(&f);
}

/** Only the last micro-batch sends buckets, and these contain the sum of all micro-batches. */
static void only_the_last_micro_batch(void **state) {
    (void)state;
    fixture f;
    size_t n = 0;
    fixture_open(&f, small_plain_model(), 1, 16);
    engine *both[] = {f.alone, f.e};
    engine_plan *plans[] = {f.p_alone, f.p};
    for (int i = 0; i < 2; i++)
        for (int part = 0; part < 3; part++) {
            assert_ok(engine_load_batch(both[i], plans[i], &f.batch));
            assert_ok(engine_forward(both[i], plans[i]));
            assert_ok(engine_loss(both[i], plans[i]));
            assert_int_equal(f.r.n, 0);
            unsigned flags = part == 0 ? ENGINE_FIRST : part == 2 ? ENGINE_LAST : 0;
            assert_ok(engine_backward(both[i], plans[i], flags));
        }
    assert_int_equal(f.r.n, f.model->param_n);
    double *expected = read_all(&n, f.alone, f.model, ENGINE_GRADIENT);
    double *got = read_all(&n, f.e, f.model, ENGINE_GRADIENT);
    for (size_t i = 0; i < n; i++)
        assert_true(got[i] == expected[i] / 2);
    free(expected);
    free(got);
    fixture_close(&f);
}

static void one_rank_and_failure(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f, small_plain_model(), 1, 16);
    f.r.comm.ranks = 1;
    run_step(f.e, f.p, &f.batch);
    assert_int_equal(f.r.n, 0);
    f.r.comm.ranks = 2;
    f.r.fail_at = 2;
    assert_ok(engine_load_batch(f.e, f.p, &f.batch));
    assert_ok(engine_forward(f.e, f.p));
    assert_ok(engine_loss(f.e, f.p));
    assert_fails(E_DEVICE, "link is down", engine_backward(f.e, f.p, ENGINE_FIRST | ENGINE_LAST));
    fixture_close(&f);
}

/** A link that transfers one bucket at a time. */
typedef struct slow_link {
    double seconds_per_byte, free_at, waited;
} slow_link;

static int slow_start(comm *c, comm_call *asked) {
    slow_link *l = c->state;
    double now = clock_seconds(), begin = l->free_at > now ? l->free_at : now;
    l->free_at = asked->seconds = begin + (double)(asked->n * sizeof(double)) * l->seconds_per_byte;
    return 0;
}

static int slow_wait(comm *c, comm_call *asked) {
    slow_link *l = c->state;
    double left = asked->seconds - clock_seconds();
    if (left <= 0)
        return 0;
    l->waited += left;
    usleep((useconds_t)(1e6 * left));
    return 0;
}

/** The exchange takes a quarter of a step, and backward hides at least 70 % of it. */
static void overlap(void **state) {
    (void)state;
    model *n = NULL;
    engine *e = NULL;
    engine_plan *p = NULL;
    batch b;
    const engine_hyper h = {.loss_scale = 1, .images = 2};
    engine_options o = engine_options_default();
    assert_ok(model_create(&n, "resnet18", &(model_options){.classes = SMALL_CLASSES}));
    slow_link link = {0};
    comm c = {.ranks = 2, .state = &link, .start = slow_start, .wait = slow_wait};
    o.comm = &c;
    o.bucket_bytes = 4 << 20;
    assert_ok(engine_create(&e, "ref", n, &o));
    assert_ok(engine_init_weights(e, 1));
    assert_ok(engine_set_hyper(e, &h));
    assert_ok(engine_compile(&p, e, 2, 32, 32, true));
    small_batch(&b, 2, 32, 32, 1);
    run_step(e, p, &b);
    double start = clock_seconds();
    run_step(e, p, &b);
    double all = (clock_seconds() - start) / 4;
    link = (slow_link){.seconds_per_byte = all / (double)(n->weight_n * sizeof(double))};
    run_step(e, p, &b);
    print_message("%.0f %% of the exchange is hidden\n", 100 * (1 - link.waited / all));
    assert_true(link.waited < 0.3 * all);
    batch_deinit(&b);
    engine_destroy(e);
    model_destroy(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(small), cmocka_unit_test(table_order),
                                       cmocka_unit_test(only_the_last_micro_batch),
                                       cmocka_unit_test(one_rank_and_failure), cmocka_unit_test(overlap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
