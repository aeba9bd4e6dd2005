/* The state of each optimizer: round trips, and files that torch.optim and timm.optim wrote (golden/optimizers.py). */
#include "sample.h"

#include "root.h"

static char path[512];

static ckpt *golden(const char *name) {
    ckpt *c = NULL;
    char file[600];
    snprintf(file, sizeof file, "%s/tests/checkpoint/golden/optimizer-%s.ckpt", SOURCE_DIR, name);
    assert_ok(ckpt_load(&c, file));
    return c;
}

static double float_at(const ckpt_tensor *t, size_t i) {
    float f;
    assert_int_equal(t->type, CKPT_F32);
    memcpy(&f, (const char *)t->data + i * sizeof f, sizeof f);
    return f;
}

static void assert_near_value(double a, double b) {
    if (!(fabs(a - b) <= 1e-6))
        fail_msg("%.9g is not %.9g", a, b);
}

/** Every element of both parameters has the same state, as all gradients are equal. */
static void assert_all(const ckpt_tensor *state, int n, double value) {
    assert_int_equal(n, 2);
    assert_int_equal(state[0].rank, 2);
    assert_int_equal(state[1].rank, 1);
    for (size_t i = 0; i < 9; i++)
        assert_near_value(i < 6 ? float_at(&state[0], i) : float_at(&state[1], i - 6), value);
}

static void assert_options(const ckpt_optimizer *o, ckpt_optimizer_kind kind, int64_t updates) {
    assert_int_equal(o->kind, kind);
    assert_int_equal(o->updates, updates);
    assert_true(o->lr == 0.1 && o->initial_lr == 0.1 && o->weight_decay == 0.25 && o->eps == 1e-7);
}

static void adamw(void **state) {
    (void)state;
    ckpt *c = golden("adamw");
    assert_options(&c->optimizer, CKPT_ADAMW, 2);
    assert_true(c->optimizer.beta1 == 0.8 && c->optimizer.beta2 == 0.9);
    assert_all(c->momentum, c->momentum_n, 0.8 * 0.1 + 0.2);
    assert_all(c->square, c->square_n, 0.9 * 0.025 + 0.1);
    ckpt_free(c);
}

static void lamb(void **state) {
    (void)state;
    ckpt *c = golden("lamb");
    double clip1 = 1 / (0.5 * 3), clip2 = 1 / 3.0; /* timm clips to the norm 1; the gradient has nine equal elements */
    assert_options(&c->optimizer, CKPT_LAMB, 2);
    assert_true(c->optimizer.beta1 == 0.8 && c->optimizer.beta2 == 0.9);
    assert_all(c->momentum, c->momentum_n, 0.8 * 0.2 * 0.5 * clip1 + 0.2 * clip2);
    assert_all(c->square, c->square_n, 0.9 * 0.1 * 0.25 * clip1 * clip1 + 0.1 * clip2 * clip2);
    ckpt_free(c);
}

static void rmsprop(void **state) {
    (void)state;
    ckpt *c = golden("rmsprop");
    assert_options(&c->optimizer, CKPT_RMSPROP, 2);
    assert_true(c->optimizer.alpha == 0.75 && c->optimizer.momentum == 0.5);
    /* the first step of element 0, which begins at 1: g = 0.5 + 0.25, v = g^2 / 4, buf = g / sqrt(v) = 2 */
    double p = 1 - 0.1 * 2, g = 1 + 0.25 * p, v = 0.75 * 0.75 * 0.75 / 4 + g * g / 4;
    assert_near_value(float_at(&c->square[0], 0), v);
    assert_near_value(float_at(&c->momentum[0], 0), 0.5 * 2 + g / sqrt(v));
    ckpt_free(c);
    c = golden("rmsprop-plain"); /* without momentum there is no buffer */
    assert_int_equal(c->optimizer.kind, CKPT_RMSPROP);
    assert_true(c->momentum_n == 2 && c->momentum[0].data == NULL && c->optimizer.updates == 2);
    assert_all(c->square, c->square_n, 0.75 * 0.0625 + 0.25);
    ckpt_free(c);
}

static void lars(void **state) {
    (void)state;
    ckpt *c = golden("lars");
    assert_options(&c->optimizer, CKPT_LARS, 0);
    assert_true(c->optimizer.trust_coeff == 0.125 && c->optimizer.momentum == 0.5 && !c->optimizer.nesterov);
    assert_int_equal(c->momentum_n, 2);
    assert_int_equal(c->square_n, 0);
    ckpt_free(c);
}

static void others(void **state) {
    static const char *const names[] = {"adam", "amsgrad"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        ckpt *c = golden(names[i]);
        assert_int_equal(c->optimizer.kind, CKPT_OTHER_OPTIMIZER);
        assert_true(c->momentum_n == 0 && c->square_n == 0);
        ckpt_free(c);
    }
}

/** What is written is read back. */
static void round_trip(void **state) {
    (void)state;
    for (int k = CKPT_SGD; k < CKPT_OTHER_OPTIMIZER; k++) {
        ckpt *c = sample_make(), *back = NULL;
        bool betas = k == CKPT_ADAMW || k == CKPT_LAMB, sgd = k == CKPT_SGD, rmsprop = k == CKPT_RMSPROP;
        bool buffer = !betas, lars = k == CKPT_LARS;
        c->optimizer = (ckpt_optimizer){.kind = (ckpt_optimizer_kind)k,
                                        .lr = 0.1 / 7,
                                        .initial_lr = 0.1,
                                        .momentum = buffer ? 0.9 : 0,
                                        .dampening = sgd || lars ? 0.25 : 0,
                                        .weight_decay = 1e-4,
                                        .beta1 = betas ? 0.8 : 0,
                                        .beta2 = betas ? 0.95 : 0,
                                        .alpha = rmsprop ? 0.9 : 0,
                                        .eps = sgd ? 0 : 1e-6,
                                        .trust_coeff = lars ? 0.02 : 0,
                                        .nesterov = sgd || lars,
                                        .updates = betas || rmsprop ? 5000007 : 0};
        if (betas || rmsprop) {
            c->square = calloc((size_t)c->momentum_n, sizeof *c->square);
            for (; c->square_n < c->momentum_n; c->square_n++) {
                sample_tensor(&c->square[c->square_n], "s", CKPT_F32, 1, (int64_t[]){c->square_n + 5});
                c->square[c->square_n].name[0] = 0;
            }
        }
        assert_ok(ckpt_save(path, c));
        assert_ok(ckpt_load(&back, path));
        assert_same(c, back);
        ckpt_free(c);
        ckpt_free(back);
    }
}

static int set_up(void **state) {
    use_memory_folder();
    root_set_up(state);
    snprintf(path, sizeof path, "%s/a.ckpt", root);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(adamw), cmocka_unit_test(lamb),   cmocka_unit_test(rmsprop),
                                       cmocka_unit_test(lars),  cmocka_unit_test(others), cmocka_unit_test(round_trip)};
    return cmocka_run_group_tests(tests, set_up, root_tear_down);
}
