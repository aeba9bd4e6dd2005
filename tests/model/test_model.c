/* Manually built models: invalid layers are refused. Also the initial values. */
#include "check.h"

#include "model/model.h"

static void test_hand_made(void **state) {
    (void)state;
    model *n;
    int conv, bn, add, pool, fc;
    tensor_shape s[5];
    assert_ok(model_create_empty(&n, "tiny", 5));
    assert_ok(model_add_conv(&conv, n, "a", MODEL_INPUT, 3, 8, 3, 1, 1));
    assert_ok(model_add_bn(&bn, n, "b", conv, 8, TENSOR_NONE, true));
    assert_ok(model_add_bn(&add, n, "c", bn, 8, conv, false));
    assert_ok(model_add_avgpool(&pool, n, "d", add, 8));
    assert_ok(model_add_linear(&fc, n, "e", pool, 8, 5));
    assert_int_equal(fc, 4);
    assert_int_equal(n->layer_n, 5);
    assert_int_equal(n->weight_n, 8 * 27 + 2 * 16 + 8 * 5 + 5);
    assert_int_equal(n->stats_elements, 32);
    assert_int_equal(n->layer[add].residual, conv);
    assert_ok(model_shapes(s, n, 2, 6, 7));
    assert_int_equal(s[add].h, 6);
    assert_int_equal(s[add].w, 7);
    assert_true(model_macs(n, 6, 7) == 6 * 7 * 8 * 27 + 40);
    model_destroy(n);
    model_destroy(NULL);
}

static void test_refused(void **state) {
    (void)state;
    model *n;
    int a, b;
    tensor_shape s[4];
    assert_ok(model_create_empty(&n, "tiny", 5));
    assert_ok(model_add_conv(&a, n, "a", MODEL_INPUT, 3, 8, 5, 2, 0));
    assert_fails(E_SHAPE, "two layers are named 'a'", model_add_avgpool(&b, n, "a", a, 8));
    assert_fails(E_SHAPE, "expects 9 channels", model_add_bn(&b, n, "b", a, 9, TENSOR_NONE, true));
    assert_fails(E_SHAPE, "expects 8 channels", model_add_conv(&b, n, "c", 7, 8, 8, 1, 1, 0));
    assert_fails(E_SHAPE, "residual", model_add_bn(&b, n, "d", a, 8, MODEL_INPUT, true));
    assert_fails(E_SHAPE, "channels", model_add_conv(&b, n, "e", a, 8, 0, 1, 1, 0));
    assert_fails(E_SHAPE, "stride 0", model_add_conv(&b, n, "f", a, 8, 8, 1, 0, 0));
    assert_fails(E_SHAPE, "8 to 8 channels cannot be divided into 3 groups",
                 model_add_grouped_conv(&b, n, "f", a, 8, 8, 1, 1, 0, 3));
    assert_fails(E_SHAPE, "0 groups", model_add_grouped_conv(&b, n, "f", a, 8, 8, 1, 1, 0, 0));
    assert_fails(E_SHAPE, "8 channels into 11", model_add_shortcut(&b, n, "g", a, 8, 11, 2));
    assert_fails(E_SHAPE, "8 channels into 4", model_add_shortcut(&b, n, "g", a, 8, 4, 2));
    assert_fails(E_SHAPE, "padding 2", model_add_maxpool(&b, n, "g", a, 8, 3, 1, 2));
    assert_fails(E_SHAPE, "longer than",
                 model_add_avgpool(&b, n, "a-name-of-a-layer-that-is-much-too-long-for-its-field", a, 8));
    assert_int_equal(n->layer_n, 1);
    assert_fails(E_SHAPE, "too small", model_shapes(s, n, 1, 9, 4));
    assert_ok(model_shapes(s, n, 1, 9, 5));
    assert_int_equal(s[a].h, 3);
    assert_int_equal(s[a].w, 1);
    assert_ok(model_add_linear(&b, n, "h", a, 8, 5));
    assert_fails(E_SHAPE, "add a pooling layer", model_shapes(s, n, 1, 9, 9));
    assert_ok(model_shapes(s, n, 1, 5, 5));
    model_destroy(n);
}

static void test_residual_of_other_size(void **state) {
    (void)state;
    model *n;
    int a, b;
    tensor_shape s[4];
    assert_ok(model_create_empty(&n, "tiny", 5));
    assert_ok(model_add_conv(&a, n, "a", MODEL_INPUT, 8, 8, 3, 2, 1));
    assert_ok(model_add_bn(&b, n, "b", a, 8, MODEL_INPUT, true));
    assert_fails(E_SHAPE, "cannot add a feature map of 6 x 4 to one of 3 x 2", model_shapes(s, n, 1, 6, 4));
    model_destroy(n);
}

typedef struct moments {
    double mean, deviation, kurtosis, lowest, highest;
} moments;

static moments moments_of(const model *n, const char *name, uint64_t seed) {
    int i = model_find_param(n, name);
    assert_true(i >= 0);
    size_t count = n->param[i].count;
    float *x = malloc(count * sizeof *x);
    moments m = {.lowest = INFINITY, .highest = -INFINITY};
    double square = 0, fourth = 0;
    model_init_param(x, n, i, seed);
    for (size_t k = 0; k < count; k++) {
        m.mean += x[k];
        m.lowest = fmin(m.lowest, x[k]);
        m.highest = fmax(m.highest, x[k]);
    }
    m.mean /= (double)count;
    for (size_t k = 0; k < count; k++) {
        double d = x[k] - m.mean;
        square += d * d;
        fourth += d * d * d * d;
    }
    m.deviation = sqrt(square / (double)count);
    m.kurtosis = fourth * (double)count / (square * square);
    free(x);
    return m;
}

static void test_init_statistics(void **state) {
    (void)state;
    model *n;
    assert_ok(model_create(&n, "resnet50", &(model_options){.classes = 1000, .zero_gamma = true}));
    /* 9 * 512 * 512 draws: relative to the standard deviation, the standard error of the mean is 6.5e-4, and that of
     * the deviation 4.6e-4 */
    moments m = moments_of(n, "layer4.1.conv2.weight", 1);
    double expected = sqrt(2.0 / (512 * 9));
    assert_true(fabs(m.mean) < 5 * 6.5e-4 * expected);
    assert_true(fabs(m.deviation / expected - 1) < 5 * 4.6e-4);
    assert_true(fabs(m.kurtosis - 3) < 0.02);
    /* fan_out, not fan_in: 256 outputs of 64 inputs */
    m = moments_of(n, "layer1.0.conv3.weight", 1);
    assert_true(fabs(m.deviation / sqrt(2.0 / 256) - 1) < 0.03);
    m = moments_of(n, "fc.weight", 1);
    double bound = 1 / sqrt(2048.0);
    assert_true(m.lowest >= -bound && m.highest <= bound);
    assert_true(m.lowest < -0.999 * bound && m.highest > 0.999 * bound);
    assert_true(fabs(m.deviation / (bound / sqrt(3.0)) - 1) < 0.003);
    assert_true(fabs(m.mean) < 0.003 * bound);
    m = moments_of(n, "fc.bias", 1);
    assert_true(m.lowest >= -bound && m.highest <= bound && m.highest > 0.98 * bound);
    m = moments_of(n, "bn1.weight", 1);
    assert_true(m.lowest == 1 && m.highest == 1);
    m = moments_of(n, "bn1.bias", 1);
    assert_true(m.lowest == 0 && m.highest == 0);
    m = moments_of(n, "layer3.2.bn3.weight", 1);
    assert_true(m.lowest == 0 && m.highest == 0);
    model_destroy(n);
}

static void test_init_is_a_function_of_seed_and_number(void **state) {
    (void)state;
    enum { N = 64 * 64 * 9 };
    static float a[N], b[N];
    model *n, *other;
    assert_ok(model_create(&n, "resnet18", &(model_options){.classes = 10}));
    assert_ok(model_create(&other, "resnet18", &(model_options){.classes = 11}));
    int i = model_find_param(n, "layer1.0.conv1.weight"), j = model_find_param(n, "layer1.0.conv2.weight");
    assert_int_equal(n->param[i].count, N);
    model_init_param(a, n, i, 42);
    model_init_param(b, other, i, 42);
    assert_memory_equal(a, b, sizeof a);
    model_init_param(b, n, j, 42);
    double dot = 0, square = 0;
    for (int k = 0; k < N; k++) {
        dot += (double)a[k] * b[k];
        square += (double)a[k] * a[k];
    }
    assert_true(fabs(dot / square) < 5 / sqrt(N)); /* two tensors: uncorrelated */
    model_init_param(b, n, i, 43);
    dot = 0;
    for (int k = 0; k < N; k++)
        dot += (double)a[k] * b[k];
    assert_true(fabs(dot / square) < 5 / sqrt(N)); /* two seeds: uncorrelated */
    model_destroy(n);
    model_destroy(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hand_made),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_residual_of_other_size),
        cmocka_unit_test(test_init_statistics),
        cmocka_unit_test(test_init_is_a_function_of_seed_and_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
