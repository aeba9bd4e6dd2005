/* The warnings of a resume about the weight decay of the checkpoint. */
#include "check.h"

#include "base/log.h"
#include "base/text.h"
#include "training/optimizer.h"

static char logged[4096];
static config now;
static ckpt file;

static void keep_lines(void *context, log_level level, const char *line) {
    const size_t n = strlen(logged);
    (void)context;
    if (level == LOG_WARN)
        snprintf(logged + n, sizeof logged - n, "%s\n", line);
}

/** Restores `file` in a run with these options. */
static void restore(bool decay_norm, bool decay_bias) {
    run_context s = {.config = &now};
    train_state t = {0};
    logged[0] = 0;
    now.optimizer.decay_norm = decay_norm;
    now.optimizer.decay_bias = decay_bias;
    assert_ok(model_create(&s.model, "resnet20",
                           &(model_options){.classes = 3, .decay_norm = decay_norm, .decay_bias = decay_bias}));
    file.param_n = file.decay != NULL ? s.model->param_n : 0;
    assert_ok(optimizer_restore(&s, &t, &file, "a.ckpt"));
    model_destroy(s.model);
}

/** A file without linnet's items. `norm`, `bias`: the weight decay of batch norm and of the classifier's bias. */
static void groups(double other, double norm, double bias) {
    model *n = NULL;
    assert_ok(model_create(&n, "resnet20", &(model_options){.classes = 3}));
    free(file.decay);
    file = (ckpt){.optimizer = {.kind = CKPT_SGD, .weight_decay = other}};
    file.decay = calloc((size_t)n->param_n, sizeof *file.decay);
    for (int i = 0; i < n->param_n; i++)
        file.decay[i] = n->param[i].rank > 1 ? other : n->param[i].head ? bias : norm;
    model_destroy(n);
}

#define NORM "batch norm's parameters"
#define BIAS "the classifier's bias"
#define APPLIES(what, option)                                                                                          \
    "a.ckpt was trained without weight decay for " what                                                                \
    ", but this run applies it: to continue as before, set optimizer." option " false\n"
#define APPLIES_NOT(what, option)                                                                                      \
    "a.ckpt was trained with weight decay for " what                                                                   \
    ", but this run does not apply it: to continue as before, set optimizer." option " true\n"

static void other_parameters(void **state) {
    (void)state;
    groups(0.25, 0, 0.25);
    restore(false, true);
    assert_string_equal(logged, "");
    restore(true, true);
    assert_string_equal(logged, APPLIES(NORM, "decay_norm"));
    restore(false, false);
    assert_string_equal(logged, APPLIES_NOT(BIAS, "decay_bias"));
    groups(0.25, 0, 0);
    restore(true, true);
    assert_string_equal(logged, APPLIES(NORM, "decay_norm") APPLIES(BIAS, "decay_bias"));
}

/** The values of golden/groups.py's plain-rmsprop. */
static void other_values(void **state) {
    const char *const odd =
        "a.ckpt was trained with weight decay 0.125 for bn1.weight and 0.25 for conv1.weight: this run "
        "applies ";
    char expected[1024];
    (void)state;
    groups(0.25, 0.125, 0.125);
    restore(true, true);
    snprintf(expected, sizeof expected, "%s0.5 and 0.5\n", odd);
    assert_string_equal(logged, expected);
    restore(false, true);
    snprintf(expected, sizeof expected, "%s0 and 0.5\n%s", odd, APPLIES_NOT(NORM, "decay_norm"));
    assert_string_equal(logged, expected);
    groups(0.25, 0, 0.25);
    file.decay[3] = 0; /* a convolution */
    restore(true, true);
    assert_non_null(strstr(logged,
                           "weight decay 0 for layer1.0.conv1.weight and 0.25 for conv1.weight: this run applies "
                           "0.5 and 0.5\n" APPLIES(NORM, "decay_norm")));
    file.decay[1] = 0.25;
    restore(true, true);
    assert_non_null(strstr(logged, "for only 1 of 38 tensors of " NORM
                                   ": this run applies it to all of them (optimizer.decay_norm)\n"));
}

/** A file of linnet. `c`: its configuration; NULL: it has none. */
static void own(const config *c) {
    static ckpt_item items[2];
    static text yaml;
    text_deinit(&yaml);
    items[0] = (ckpt_item){.key = "version", .kind = 'i'};
    if (c != NULL) {
        assert_ok(config_to_yaml(&yaml, c));
        items[1] = (ckpt_item){.key = "config", .kind = 's', .s = (char *)text_string(&yaml)};
    }
    file.own = items;
    file.own_n = c != NULL ? 2 : 1;
}

static void one_group(void **state) {
    (void)state;
    groups(0.25, 0.25, 0.25);
    restore(true, true);
    assert_string_equal(logged, "");
    restore(false, true);
    assert_string_equal(logged, APPLIES_NOT(NORM, "decay_norm"));
    restore(false, false);
    assert_string_equal(logged, APPLIES_NOT(NORM, "decay_norm") APPLIES_NOT(BIAS, "decay_bias"));
    groups(0, 0, 0);
    restore(false, true);
    assert_string_equal(logged, "");
    restore(true, true);
    assert_string_equal(logged, "");
    free(file.decay);
    file.decay = NULL; /* not known */
    restore(false, false);
    assert_string_equal(logged, "");
}

/** Its configuration decides: files of earlier versions have one group, whatever the options were. */
static void own_files(void **state) {
    config then;
    (void)state;
    config_defaults(&then);
    for (int k = 0; k < 4; k++) {
        const bool norm = k % 2 == 0, bias = k / 2 == 0;
        then.optimizer.decay_norm = norm;
        then.optimizer.decay_bias = bias;
        for (int old = 0; old < 2; old++) {
            groups(0.25, norm || old ? 0.25 : 0, bias || old ? 0.25 : 0);
            own(&then);
            restore(norm, bias);
            assert_string_equal(logged, "");
            restore(!norm, bias);
            assert_string_equal(logged, norm ? APPLIES_NOT(NORM, "decay_norm") : APPLIES(NORM, "decay_norm"));
            restore(norm, !bias);
            assert_string_equal(logged, bias ? APPLIES_NOT(BIAS, "decay_bias") : APPLIES(BIAS, "decay_bias"));
        }
    }
    own(NULL);
    restore(false, false);
    assert_string_equal(logged, "");
    then.optimizer.weight_decay = 0;
    own(&then);
    restore(true, true);
    assert_string_equal(logged, "");
}

static void no_decay_now(void **state) {
    (void)state;
    groups(0.25, 0, 0.125);
    now.optimizer.weight_decay = 0;
    restore(true, false);
    now.optimizer.weight_decay = 0.5;
    assert_string_equal(logged, "");
}

static int set_up(void **state) {
    (void)state;
    config_defaults(&now);
    now.optimizer.weight_decay = 0.5;
    log_set_sink(keep_lines, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free(file.decay);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(other_parameters), cmocka_unit_test(other_values),
                                       cmocka_unit_test(one_group), cmocka_unit_test(own_files),
                                       cmocka_unit_test(no_decay_now)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
