/* Frozen parts and a separate LR for the classifier: the ref and the cpu engine against PyTorch in float64. */
#include "engine/freeze.h"

/* Rounding changes the sign before a few ReLUs in three steps at a high rate; a wrong rate would give errors of a
 * factor. */
#define FP32 1e-2

static void ref(void **state) {
    (void)state;
    freeze_check("ref", "stem", false, 1e-8);
    freeze_check("ref", "backbone", false, 1e-8);
}

static void cpu(void **state) {
    (void)state;
    if (engine_unavailable("cpu") != NULL)
        skip();
    freeze_check("cpu", "layer2", true, FP32);
    freeze_check("cpu", "backbone", false, FP32);
}

/** Frozen layers keep nothing for backward. */
static void takes_less_memory(void **state) {
    (void)state;
    size_t before = SIZE_MAX;
    static const char *const part[] = {"none", "stem", "layer2", "backbone"};
    for (int i = 0; i < 4; i++) {
        model *n;
        engine *e;
        engine_options o = engine_options_default();
        size_t bytes;
        assert_ok(model_create(&n, "resnet18", &(model_options){.classes = 10}));
        assert_ok(model_freeze(n, part[i]));
        assert_ok(engine_create(&e, "ref", n, &o));
        assert_ok(engine_plan_bytes(&bytes, e, 2, 32, 32, true));
        assert_true(bytes < before);
        before = bytes;
        engine_destroy(e);
        model_destroy(n);
    }
}

static void refuses(void **state) {
    (void)state;
    model *n;
    assert_ok(model_create(&n, "resnet18", &(model_options){.classes = 10}));
    assert_fails(E_OPTION, "has no part 'layer5'", model_freeze(n, "layer5"));
    assert_int_equal(n->frozen_layer_n, 0);
    model_destroy(n);
    assert_ok(model_create(&n, "resnet20", &(model_options){.classes = 10})); /* three stages, no layer4 */
    assert_fails(E_OPTION, "has no part 'layer4'", model_freeze(n, "layer4"));
    assert_ok(model_freeze(n, "layer3"));
    assert_string_equal(n->layer[n->frozen_layer_n].name, "avgpool");
    assert_ok(model_freeze(n, "backbone"));
    assert_string_equal(n->layer[n->frozen_layer_n].name, "linear");
    model_destroy(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ref), cmocka_unit_test(cpu),
                                       cmocka_unit_test(takes_less_memory), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
