/* In evaluation an image's logits do not depend on the batch it is in, bit for bit. */
#include "engine/layer_pair.h"

enum { IMAGES = 18, THREADS_MAX = 5 };

typedef struct evaluation_case {
    const char *arch; /* NULL: small_residual_model */
    int h, w;
} evaluation_case;

static const evaluation_case cases[] = {
    {NULL, 32, 40},
    {"resnet18", 32, 32},
    {"resnet18", 63, 50},
    {"resnet50", 40, 33},
};

static const int sizes[] = {1, 3, 16};

/** Logits, tensor `last`, of images [first, first + n) of the batch. */
static void logits(double *out, engine *e, int last, const batch *all, int first, int n) {
    engine_plan *plan = NULL;
    batch b;
    size_t image = (size_t)all->h * (size_t)all->w * 3;
    assert_ok(batch_init(&b, n, all->h, all->w));
    b.n = n;
    memcpy(b.pixels, all->pixels + (size_t)first * image, (size_t)n * image);
    for (int i = 0; i < n; i++) {
        b.label[i] = b.label_b[i] = 0;
        b.mix[i] = 1;
    }
    assert_ok(engine_compile(&plan, e, n, all->h, all->w, false));
    assert_ok(engine_load_batch(e, plan, &b));
    assert_ok(engine_forward(e, plan));
    assert_ok(engine_read_tensor(out, e, plan, last));
    batch_deinit(&b);
}

static void check_case(const evaluation_case *c, precision p, bool winograd, int threads) {
    engine_options o = engine_options_default();
    model_options shape = {.classes = SMALL_CLASSES};
    engine *e = NULL;
    model *n = NULL;
    batch all;
    double whole[IMAGES * SMALL_CLASSES], part[IMAGES * SMALL_CLASSES];
    o.precision = p;
    o.threads = threads;
    o.winograd = winograd;
    if (c->arch == NULL)
        n = small_residual_model();
    else
        assert_ok(model_create(&n, c->arch, &shape));
    assert_ok(engine_create(&e, "cpu", n, &o));
    assert_ok(engine_init_weights(e, 1));
    small_batch(&all, IMAGES, c->h, c->w, 1);
    logits(whole, e, n->layer_n - 1, &all, 0, IMAGES);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int first = IMAGES - sizes[i];
        logits(part, e, n->layer_n - 1, &all, first, sizes[i]);
        if (memcmp(part, whole + first * SMALL_CLASSES, (size_t)sizes[i] * SMALL_CLASSES * sizeof *part) != 0)
            fail_msg("%s, %s, %d x %d, %d threads: other logits in a batch of %d than in one of %d",
                     c->arch != NULL ? c->arch : "small net", precision_name(p), c->h, c->w, threads, sizes[i], IMAGES);
    }
    batch_deinit(&all);
    engine_destroy(e);
    model_destroy(n);
}

static void check_precision(precision p, bool winograd) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int threads = 1; threads <= THREADS_MAX; threads += 2)
            check_case(&cases[i], p, winograd, threads);
}

static void test_fp32(void **state) {
    (void)state;
    check_precision(PRECISION_32, false);
}

static void test_bf16(void **state) {
    (void)state;
    if (!engine_has_bf16()) {
        print_message("no bf16 arithmetic at this CPU level\n");
        skip();
    }
    check_precision(PRECISION_BF16, false);
    check_precision(PRECISION_BF16, true);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fp32), cmocka_unit_test(test_bf16)};
    (void)argc;
    pair_main_start(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
