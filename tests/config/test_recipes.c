/* Every file of configs/ is valid and passes the checks that a run makes before it opens its data. */
#include "check.h"

#include "config/config.h"

#include <glob.h>

static void test_all(void **state) {
    (void)state;
    static config c, again;
    glob_t files;
    assert_int_equal(glob(SOURCE_DIR "/configs/*.yaml", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 5);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        text yaml = {0};
        config_defaults(&c);
        config_defaults(&again);
        assert_ok(config_read_yaml(&c, files.gl_pathv[i]));
        assert_ok(config_check(&c));
        if (memcmp(&c, &again, sizeof c) == 0 && strstr(files.gl_pathv[i], "imagenet-resnet50.yaml") == NULL)
            fail_msg("%s changes no option", files.gl_pathv[i]); /* this file contains the defaults */
        assert_ok(config_to_yaml(&yaml, &c));
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all), cmocka_unit_test(test_v2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
