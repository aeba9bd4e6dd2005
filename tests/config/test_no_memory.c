#define _GNU_SOURCE
/* Reading and writing a configuration without memory: of what fails nothing is taken. */
#include "no_memory.h"

#include "config/config.h"

static int read_file(void *context) {
    config c, before;
    config_defaults(&c);
    before = c;
    int rc = config_read_yaml(&c, context);
    assert_true(rc == OK || memcmp(&c, &before, sizeof c) == 0);
    return rc;
}

static int read_arguments(void *context) {
    char *const argv[] = {"--config", context, "--data.batch_size=64", "--lr", "0.1", "data"};
    const char *positional[6];
    int n = 0;
    config c;
    config_defaults(&c);
    return config_read_arguments(&c, 6, argv, positional, &n);
}

static int write_text(void *context) {
    config c;
    text out = {0};
    (void)context;
    config_defaults(&c);
    int rc = config_to_yaml(&out, &c);
    text_deinit(&out);
    return rc;
}

static void each(void **state) {
    static char path[] = SOURCE_DIR "/configs/demo.yaml";
    (void)state;
    assert_true(no_memory(read_file, path, 0, NULL) > 10);
    assert_true(no_memory(read_arguments, path, 0, NULL) > 10);
    assert_true(no_memory(write_text, NULL, 0, NULL) > 0);
}

int main(void) {
    no_memory_or_skip();
    const struct CMUnitTest tests[] = {cmocka_unit_test(each)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
