#define _GNU_SOURCE
/* A training step without memory, on the ref and the cpu engine, from the model on: created, compiled, two steps, and
 * everything released. What oneDNN and libgomp allocate does not fail (allocations.h). */
#include "no_memory.h"
#include "small_models.h"

typedef struct job {
    const char *device;
    bool bf16;
} job;

static int one_step(engine *e, engine_plan *p, const batch *b) {
    const engine_hyper h = {.lr = 0.01, .momentum = 0.9, .loss_scale = 1, .images = 4, .clip_norm = 1};
    engine_result_data r;
    int rc = OK;
    TRY(engine_set_hyper(e, &h));
    TRY(engine_load_batch(e, p, b));
    TRY(engine_step(e, p, ENGINE_FIRST | ENGINE_LAST));
    TRY(engine_result(&r, e));
done:
    return rc;
}

/** The parts of small_residual_model, whose errors are returned. */
static int make_model(model **out) {
    int i = 0, rc = OK;
    TRY(model_create_empty(out, "small", SMALL_CLASSES));
    TRY(model_add_conv(&i, *out, "conv1", MODEL_INPUT, 3, 8, 3, 1, 1));
    TRY(model_add_bn(&i, *out, "bn1", i, 8, TENSOR_NONE, true));
    TRY(model_add_maxpool(&i, *out, "pool", i, 8, 3, 2, 1));
    int first = i;
    TRY(model_add_conv(&i, *out, "conv2", i, 8, 8, 3, 1, 1));
    TRY(model_add_bn(&i, *out, "bn2", i, 8, first, true));
    TRY(model_add_avgpool(&i, *out, "avgpool", i, 8));
    TRY(model_add_linear(&i, *out, "fc", i, 8, SMALL_CLASSES));
done:
    return rc;
}

static int train(void *context) {
    const job *j = context;
    int rc = OK;
    model *n = NULL;
    engine *e = NULL;
    engine_plan *p = NULL;
    batch b = {0};
    engine_options o = engine_options_default();
    o.threads = 1;
    o.precision = j->bf16 ? PRECISION_BF16 : PRECISION_32;
    TRY(make_model(&n));
    TRY(engine_create(&e, j->device, n, &o));
    TRY(engine_init_weights(e, 1));
    TRY(batch_init(&b, 4, 16, 16));
    batch_synthetic(&b, 4, SMALL_CLASSES, 1, 0);
    TRY(engine_compile(&p, e, 4, 16, 16, true));
    TRY(one_step(e, p, &b));
    batch_synthetic(&b, 4, SMALL_CLASSES, 1, 0);
    TRY(one_step(e, p, &b));
done:
    batch_deinit(&b);
    engine_destroy(e);
    model_destroy(n);
    return rc;
}

static void on_ref(void **state) {
    (void)state;
    assert_true(no_memory(train, &(job){.device = "ref"}, 0, NULL) > 20);
}

static void on_cpu(void **state) {
    (void)state;
    const char *why = engine_unavailable("cpu");
    if (why != NULL) {
        print_message("cpu: %s\n", why);
        return;
    }
    assert_true(no_memory(train, &(job){.device = "cpu"}, 0, NULL) > 20);
    assert_true(no_memory(train, &(job){.device = "cpu", .bf16 = true}, 0, NULL) > 20);
}

int main(void) {
    no_memory_or_skip();
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_ref), cmocka_unit_test(on_cpu)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
