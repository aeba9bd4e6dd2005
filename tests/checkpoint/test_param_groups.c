/* Parameter groups: files that torch and timm wrote (golden/groups.py), and linnet's own. */
#include "sample.h"

#include "base/log.h"
#include "checkpoint/layout.h"
#include "root.h"

#define PARAMS 8

static char path[512], logged[512];

static void keep_line(void *context, log_level level, const char *line) {
    (void)context;
    (void)level;
    snprintf(logged, sizeof logged, "%s", line);
}

static ckpt *golden(const char *name) {
    ckpt *c = NULL;
    char file[600];
    logged[0] = 0;
    snprintf(file, sizeof file, "%s/tests/checkpoint/golden/groups-%s.ckpt", SOURCE_DIR, name);
    assert_ok(ckpt_load(&c, file));
    assert_int_equal(c->param_n, PARAMS);
    return c;
}

static double first(const ckpt_tensor *t) {
    float f;
    assert_int_equal(t->type, CKPT_F32);
    memcpy(&f, t->data, sizeof f);
    return f;
}

static const char *const names[PARAMS] = {
    "conv1.weight",        "bn1.weight",        "bn1.bias",  "layer1.0.conv1.weight",
    "layer1.0.bn1.weight", "layer1.0.bn1.bias", "fc.weight", "fc.bias"};

/** The state of parameter i is factor * (i + 1) to the power, as its gradient was i + 1. */
static void assert_state(const ckpt_tensor *state, int n, double factor, int power) {
    assert_int_equal(n, PARAMS);
    for (int i = 0; i < PARAMS; i++) {
        assert_true(strncmp(state[i].name, "model.", 6) == 0 || power == 2);
        if (power == 1)
            assert_string_equal(state[i].name + 6, names[i]);
        assert_near(first(&state[i]), factor * pow(i + 1, power), 1e-6);
    }
}

/** `decays`: a digit for each parameter, in eighths. */
static void assert_decay(const ckpt *c, const char *decays) {
    assert_true(c->decay != NULL);
    for (int i = 0; i < PARAMS; i++)
        assert_near(c->decay[i], (decays[i] - '0') / 8.0, 0);
}

static void momenta(void **state) {
    static const struct {
        const char *name, *decays;
        double weight_decay;
        int head_n;
    } files[] = {{"timm-sgd", "20020020", 0.25, 0},
                 {"torchvision", "20020022", 0.25, 0},
                 {"torchvision-bias", "20020020", 0.25, 0},
                 {"head", "22222222", 0.25, 2},
                 {"decay-head", "20020020", 0.25, 2},
                 {"empty", "20020020", 0.25, 0},
                 {"halves", "00022222", 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ckpt *c = golden(files[i].name);
        assert_state(c->momentum, c->momentum_n, 1, 1);
        assert_true(c->optimizer.weight_decay == files[i].weight_decay);
        assert_true(c->optimizer.lr == 0.1 && c->schedule.base_lr == 0.1);
        assert_int_equal(c->head_n, files[i].head_n);
        assert_near(c->head_scale, files[i].head_n > 0 ? 4 : 0, 1e-12);
        assert_decay(c, files[i].decays);
        assert_string_equal(logged, "");
        ckpt_free(c);
    }
}

static void two_tensors(void **state) {
    (void)state;
    ckpt *c = golden("timm"); /* AdamW: (1 - beta) g and (1 - beta) g^2 */
    assert_int_equal(c->optimizer.kind, CKPT_ADAMW);
    assert_state(c->momentum, c->momentum_n, 0.1, 1);
    assert_state(c->square, c->square_n, 0.001, 2);
    assert_decay(c, "20020020");
    ckpt_free(c);
    c = golden("plain-rmsprop");
    assert_state(c->square, c->square_n, 0.01, 2);
    assert_decay(c, "21121121");
    ckpt_free(c);
}

static void refused(void **state) {
    static const struct {
        const char *name, *part;
    } files[] = {
        {"ambiguous", "optimizer fit the model's parameters in more than one way: the optimizer starts without state"},
        {"odd", "optimizer do not fit the model's parameters: the optimizer starts without state"}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        ckpt *c = golden(files[i].name);
        assert_int_equal(c->momentum_n, 0);
        assert_null(c->decay);
        assert_non_null(strstr(logged, files[i].part));
        ckpt_free(c);
    }
}

/** Saves c with these groups to a file, and replaces it by what the file contains. */
static ckpt *reload(ckpt *c, const char *decays, int head_n) {
    ckpt *again = NULL;
    free(c->decay);
    c->decay = decays != NULL ? calloc(PARAMS, sizeof *c->decay) : NULL;
    for (int i = 0; c->decay != NULL && i < PARAMS; i++)
        c->decay[i] = (decays[i] - '0') / 8.0;
    c->head_n = head_n;
    c->head_scale = head_n > 0 ? 4 : 0;
    assert_ok(ckpt_save(path, c));
    assert_ok(ckpt_load(&again, path));
    ckpt_free(c);
    return again;
}

/** The numbers of the parameters of each group: "36,12,". */
static void list_groups(char *out, const ckpt *c) {
    layout_division group[LAYOUT_GROUPS];
    const int n = layout_divide(group, c);
    for (int g = 0; g < n; g++) {
        for (int i = 0; i < PARAMS; i++)
            if (layout_divided(&group[g], c, i))
                *out++ = (char)('0' + i);
        *out++ = ',';
    }
    *out = 0;
}

static void own(void **state) {
    static const struct {
        const char *decays; /* NULL: the same for all */
        int head_n;
        const char *groups;
    } files[] = {{NULL, 0, "01234567,"},         {"20020022", 0, "0367,1245,"}, /* decay_norm false */
                 {"22222220", 0, "7,0123456,"},                                 /* decay_bias false */
                 {"20020020", 0, "12457,036,"},                                 /* both */
                 {NULL, 2, "012345,67,"},                                       /* head_lr */
                 {"20020022", 2, "03,1245,67,"},                                /* head_lr, decay_norm false */
                 {"20020020", 2, "1245,03,7,6,"}};                              /* head_lr and both */
    char groups[32];
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof files / sizeof *files); i++) {
        const bool adamw = i % 2 == 1;
        ckpt *c = reload(golden(adamw ? "timm" : "head"), files[i / 2].decays, files[i / 2].head_n);
        list_groups(groups, c);
        assert_string_equal(groups, files[i / 2].groups);
        assert_state(c->momentum, c->momentum_n, adamw ? 0.1 : 1, 1);
        if (adamw)
            assert_state(c->square, c->square_n, 0.001, 2);
        assert_true(c->optimizer.weight_decay == 0.25);
        assert_near(c->optimizer.lr, 0.1, 0);
        assert_int_equal(c->head_n, files[i / 2].head_n);
        assert_near(c->head_scale, c->head_n > 0 ? 4 : 0, 1e-12);
        assert_decay(c, files[i / 2].decays != NULL ? files[i / 2].decays : "22222222");
        assert_string_equal(logged, "");
        ckpt_free(c);
    }
}

static int set_up(void **state) {
    use_memory_folder();
    root_set_up(state);
    snprintf(path, sizeof path, "%s/a.ckpt", root);
    log_set_sink(keep_line, NULL);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(momenta), cmocka_unit_test(two_tensors),
                                       cmocka_unit_test(refused), cmocka_unit_test(own)};
    return cmocka_run_group_tests(tests, set_up, root_tear_down);
}
