/* Every file of configs/ is valid and passes the checks that a run makes before it opens its data. */
#include "check.h"

#include "base/file.h"
#include "config/config.h"

#include <glob.h>

/* The file begins with what it reaches: nothing, or a measured result that somebody else can repeat. */
static void check_result(const config *c, const char *path) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    char named[128];
    assert_ok(file_read(&bytes, &n, path, 0));
    const char *line = (const char *)bytes;
    while (*line == '#' || *line == '\n')
        line += strcspn(line, "\n") + 1;
    if (strncmp(line, "expected:\n", 10) != 0)
        fail_msg("%s does not begin with expected", path);
    free(bytes);
    snprintf(named, sizeof named, "--config configs/%s ", path_name(path));
    bool measured = c->expected.val_acc >= 0;
    if (strstr(c->expected.command, named) == NULL || c->expected.data[0] == 0 || c->expected.differs[0] != 0)
        fail_msg("%s: expected.command, data or differs", path);
    if (c->expected.epochs != c->trainer.max_epochs)
        fail_msg("%s: expected.epochs %d of %d", path, c->expected.epochs, c->trainer.max_epochs);
    if (measured != (c->expected.seeds > 0) || measured != (c->expected.hardware[0] != 0) ||
        (c->expected.spread > 0) != (c->expected.seeds > 1))
        fail_msg("%s: expected.seeds, hardware or spread do not agree with val_acc", path);
}

static void test_all(void **state) {
    (void)state;
    static config c, again;
    glob_t files;
    assert_int_equal(glob(SOURCE_DIR "/configs/*.yaml", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 7);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        text yaml = {0};
        config_defaults(&c);
        config_defaults(&again);
        assert_ok(config_read_yaml(&c, files.gl_pathv[i]));
        assert_ok(config_check(&c));
        check_result(&c, files.gl_pathv[i]);
        again.expected = c.expected;
        if (memcmp(&c, &again, sizeof c) == 0 && strstr(files.gl_pathv[i], "imagenet-resnet50.yaml") == NULL)
            fail_msg("%s changes no option", files.gl_pathv[i]); /* this file contains the defaults */
        assert_ok(config_to_yaml(&yaml, &c));
        config_defaults(&again);
        assert_ok(config_read_yaml_text(&again, yaml.data, yaml.n, "again"));
        assert_memory_equal(&c, &again, sizeof c);
        text_deinit(&yaml);
    }
    globfree(&files);
}

static void test_v2(void **state) {
    (void)state;
    static config c;
    config_defaults(&c);
    assert_ok(config_read_yaml(&c, SOURCE_DIR "/configs/imagenet-resnet50-v2.yaml"));
    assert_true(c.data.image_size == 176 && c.data.val_size == 224 && c.data.resize_size == 232);
    assert_true(c.trainer.ema == 0.99998 && c.data.mixup == 0.2 && c.data.cutmix == 1 && c.data.repeats == 4);
    assert_true(c.optimizer.weight_decay == 2e-5 && !c.optimizer.decay_norm && c.optimizer.decay_bias);
}

/* He et al. 2015, section 4.2, with 391 steps per epoch. */
static void test_cifar(void **state) {
    (void)state;
    static config c;
    config_defaults(&c);
    assert_ok(config_read_yaml(&c, SOURCE_DIR "/configs/cifar10-resnet20.yaml"));
    assert_string_equal(c.model.arch, "resnet20");
    assert_true(c.data.batch_size == 128 && c.data.pad_crop == 4 && c.data.flip == 0.5 && !c.data.drop_last);
    assert_true(c.optimizer.lr == 0.1 && c.optimizer.momentum == 0.9 && c.optimizer.weight_decay == 1e-4);
    assert_true(c.optimizer.decay_norm && c.optimizer.decay_bias && c.optimizer.label_smoothing == 0);
    assert_true(c.schedule.gamma == 0.1 && c.schedule.warmup_epochs == 0 && c.trainer.clip_norm == 0);
    assert_int_equal(c.schedule.milestones.n, 2);
    assert_int_equal(c.schedule.milestones.at[0], 32000 / 391 + 1);
    assert_int_equal(c.schedule.milestones.at[1], 48000 / 391 + 1);
    assert_int_equal(c.trainer.max_epochs, 64000 / 391 + 1);
    assert_string_equal(c.trainer.precision, "32-true");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all), cmocka_unit_test(test_v2),
                                       cmocka_unit_test(test_cifar)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
