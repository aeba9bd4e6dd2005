/* Recomputed outputs of batch norm: identical bits, less memory. */
#include "engine/internal.h"
#include "engine/work.h"
#include "small_models.h"

#include <string.h>

enum { IMAGES = 4, SIZE = 32 };

typedef struct bench {
    engine *engine;
    engine_plan *plan;
} bench;

/** @return false if the device does not support the precision on this machine */
static bool open_bench(bench *b, const char *device, const model *n, precision p, bool recompute, bool keep_tensors) {
    engine_options o = engine_options_default();
    o.precision = p;
    o.threads = 2;
    o.recompute = recompute;
    o.keep_tensors = keep_tensors;
    if (engine_create(&b->engine, device, n, &o) != OK)
        return false;
    assert_ok(engine_init_weights(b->engine, 1));
    perturb_weights(b->engine, n, 0.1, 3);
    assert_ok(engine_compile(&b->plan, b->engine, IMAGES, SIZE, SIZE, true));
    return true;
}

static model *resnet(const char *arch, double drop_path) {
    model *n = NULL;
    model_options o = {.classes = SMALL_CLASSES, .decay_norm = true, .decay_bias = true, .drop_path = drop_path};
    assert_ok(model_create(&n, arch, &o));
    return n;
}

/** Four blocks with identity in a row, and a batch norm that reads a batch norm. */
static model *chain_model(void) {
    model *n = NULL;
    char name[16];
    assert_ok(model_create_empty(&n, "chain", SMALL_CLASSES));
    int a = small_conv_bn(n, "stem", MODEL_INPUT, 3, 17, 3, 2, TENSOR_NONE, true);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%d.0", i);
        int b = small_conv_bn(n, name, a, 17, 9, 3, 1, TENSOR_NONE, i != 2);
        snprintf(name, sizeof name, "%d.1", i);
        a = small_conv_bn(n, name, b, 9, 17, 1, 1, a, true);
    }
    assert_ok(model_add_bn(&a, n, "twice", a, 17, TENSOR_NONE, true));
    a = small_conv_bn(n, "head", a, 17, 8, 1, 1, TENSOR_NONE, true);
    assert_ok(model_add_avgpool(&a, n, "avgpool", a, 8));
    assert_ok(model_add_linear(&a, n, "fc", a, 8, SMALL_CLASSES));
    return n;
}

/** Two steps of two micro-batches. */
static void train(const bench *b) {
    for (int step = 0; step < 2; step++) {
        engine_hyper h = {.lr = 0.05, .momentum = 0.9, .first_step = step == 0, .loss_scale = 1, .images = 2 * IMAGES};
        assert_ok(engine_set_hyper(b->engine, &h));
        for (unsigned k = 0; k < 2; k++) {
            batch data;
            small_batch(&data, IMAGES, SIZE, SIZE, 10 * (uint64_t)step + k);
            assert_ok(engine_load_batch(b->engine, b->plan, &data));
            assert_ok(engine_draw_drop_path(b->engine, b->plan, 1, (uint32_t)step, k));
            assert_ok(engine_forward(b->engine, b->plan));
            assert_ok(engine_loss(b->engine, b->plan));
            assert_ok(engine_backward(b->engine, b->plan, k == 0 ? ENGINE_FIRST : ENGINE_LAST));
            batch_deinit(&data);
        }
        assert_ok(engine_unscale(b->engine));
        assert_ok(engine_update(b->engine));
    }
}

static void compare(const bench *a, const bench *b, const model *n, engine_what what) {
    size_t count = 0;
    double *x = read_all(&count, a->engine, n, what), *y = read_all(&count, b->engine, n, what);
    assert_memory_equal(x, y, count * sizeof *x);
    free(x);
    free(y);
}

static void check_same(const char *device, const model *n, precision p) {
    bench kept, anew;
    engine_result_data r, s;
    if (!open_bench(&kept, device, n, p, false, false))
        return;
    assert_true(open_bench(&anew, device, n, p, true, false));
    train(&kept);
    train(&anew);
    compare(&kept, &anew, n, ENGINE_GRADIENT);
    compare(&kept, &anew, n, ENGINE_STATS);
    compare(&kept, &anew, n, ENGINE_WEIGHT);
    assert_ok(engine_result(&r, kept.engine));
    assert_ok(engine_result(&s, anew.engine));
    assert_true(r.loss_sum == s.loss_sum && r.grad_norm == s.grad_norm && r.images == s.images);
    engine_destroy(kept.engine);
    engine_destroy(anew.engine);
}

/** Keeps all tensors, and compares the outputs of recompute to those of forward. */
static void check_values(const char *device, const model *n, precision p) {
    bench b;
    batch data;
    int recomputed = 0;
    if (!open_bench(&b, device, n, p, true, true))
        return;
    small_batch(&data, IMAGES, SIZE, SIZE, 1);
    run_step(b.engine, b.plan, &data);
    for (int t = 0; t < n->layer_n; t++) {
        const plan_tensor *q = plan_tensor_at(b.plan, t);
        assert_true(q->recomputed == (q->backward_block != q->block));
        recomputed += q->recomputed;
        assert_memory_equal(plan_address(b.plan, q->block), plan_address(b.plan, q->backward_block),
                            tensor_count(q->shape) * element_bytes(q->type));
    }
    assert_true(recomputed > 0);
    batch_deinit(&data);
    engine_destroy(b.engine);
}

static void check_device(const char *device, precision p) {
    model *n[] = {small_residual_model(), chain_model(), resnet("resnet18", 0), resnet("resnet20", 0.5)};
    for (int i = 0; i < 4; i++) {
        check_same(device, n[i], p);
        check_values(device, n[i], p);
        model_destroy(n[i]);
    }
}

static void same_bits_ref(void **state) {
    (void)state;
    check_device("ref", PRECISION_32);
}

static void same_bits_cpu_fp32(void **state) {
    (void)state;
    if (engine_unavailable("cpu") != NULL)
        skip();
    check_device("cpu", PRECISION_32);
}

static void same_bits_cpu_bf16(void **state) {
    (void)state;
    if (engine_unavailable("cpu") != NULL)
        skip();
    check_device("cpu", PRECISION_BF16);
}

/** `names`: the layers whose outputs are recomputed, in order, then NULL. */
static void check_choice(const model *n, const char *const *names) {
    bench b;
    assert_true(open_bench(&b, "ref", n, PRECISION_32, true, false));
    for (int t = 0; t < n->layer_n; t++) {
        if (!plan_tensor_at(b.plan, t)->recomputed)
            continue;
        assert_non_null(*names);
        assert_string_equal(n->layer[t].name, *names++);
    }
    assert_null(*names);
    engine_destroy(b.engine);
}

/* The stem's output is the first residual of the chain and kept until the backward of its reader, and so is every
 * second output after it. Outputs that only pools or additions read are not kept anyway. */
static void choice(void **state) {
    (void)state;
    const char *const small[] = {"block0.0.bn", "block0.1.bn", "block1.0.bn", NULL};
    const char *const chain[] = {"stem.bn", "0.0.bn", "1.0.bn", "1.1.bn", "2.0.bn", "3.0.bn", "3.1.bn", NULL};
    model *n = small_residual_model();
    check_choice(n, small);
    model_destroy(n);
    n = chain_model();
    check_choice(n, chain);
    model_destroy(n);
}

static void check_bytes(const char *device, precision p) {
    model *n = resnet("resnet50", 0);
    size_t training[2] = {0}, evaluation[2] = {0};
    for (int k = 0; k < 2; k++) {
        engine *e = NULL;
        engine_options o = engine_options_default();
        o.precision = p;
        o.recompute = k == 1;
        if (engine_create(&e, device, n, &o) != OK)
            continue;
        assert_ok(engine_plan_bytes(&training[k], e, 8, 128, 128, true));
        assert_ok(engine_plan_bytes(&evaluation[k], e, 8, 128, 128, false));
        engine_destroy(e);
    }
    print_message("%s, %s: %.3f of the activations\n", device, precision_name(p),
                  (double)training[1] / (double)training[0]);
    assert_true((double)training[1] <= 0.8 * (double)training[0]);
    assert_int_equal(evaluation[0], evaluation[1]);
    model_destroy(n);
}

static void bytes(void **state) {
    (void)state;
    check_bytes("ref", PRECISION_32);
    if (engine_unavailable("cpu") != NULL)
        return;
    check_bytes("cpu", PRECISION_32);
    check_bytes("cpu", PRECISION_BF16);
}

/* Recomputing is one more pass: it reads x and the residual, if any, and writes y. */
static void work(void **state) {
    (void)state;
    model *n = small_residual_model();
    bench kept, anew;
    assert_true(open_bench(&kept, "ref", n, PRECISION_32, false, false));
    assert_true(open_bench(&anew, "ref", n, PRECISION_32, true, false));
    for (int i = 0; i < n->layer_n; i++) {
        const plan_tensor *y = plan_tensor_at(anew.plan, i);
        double one = (double)tensor_count(y->shape) * (double)element_bytes(y->type);
        double more = y->recomputed ? (n->layer[i].residual != TENSOR_NONE ? 3 : 2) * one : 0;
        for (int k = 0; k < ENGINE_PASSES; k++)
            assert_true(engine_layer_work(anew.plan, i, k).bytes - engine_layer_work(kept.plan, i, k).bytes ==
                        (k == PASS_BACKWARD ? more : 0));
    }
    engine_destroy(kept.engine);
    engine_destroy(anew.engine);
    model_destroy(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_ref),
        cmocka_unit_test(same_bits_cpu_fp32),
        cmocka_unit_test(same_bits_cpu_bf16),
        cmocka_unit_test(choice),
        cmocka_unit_test(bytes),
        cmocka_unit_test(work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
