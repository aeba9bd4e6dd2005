#define _GNU_SOURCE
/* Reading and writing checkpoints without memory: what fails leaves no temporary file, and an older file as it was. */
#include "no_memory.h"

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/weights_write.h"
#include "root.h"
#include "sample.h"

static ckpt *sample;
static unsigned char *older;
static size_t older_n;
static char path[PATH_BYTES];

static int load(void *context) {
    ckpt *c = NULL;
    int rc = ckpt_load(&c, context);
    assert_true((rc == OK) == (c != NULL));
    ckpt_free(c);
    return rc;
}

static int load_progress(void *context) {
    ckpt *c = NULL;
    int rc = ckpt_load_progress(&c, context);
    ckpt_free(c);
    return rc;
}

static int save(void *context) {
    (void)context;
    return ckpt_save(path, sample);
}

static int save_weights(void *context) {
    (void)context;
    return state_dict_save(path, sample->state, sample->state_n);
}

static int save_safetensors(void *context) {
    (void)context;
    ckpt_item metadata = {.key = "arch", .kind = 's', .s = (char[]){"resnet18"}};
    return safetensors_save(path, sample->state, sample->state_n, &metadata, 1);
}

/** After a failure, the file is the one of the last success, byte for byte. */
static void check_file(void *context, int rc) {
    unsigned char *now = NULL;
    char temporary[PATH_BYTES + 8];
    size_t n = 0;
    (void)context;
    (void)rc;
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    assert_false(file_exists(temporary));
    assert_ok(file_read(&now, &n, path, 0));
    assert_int_equal(n, older_n);
    assert_memory_equal(now, older, n);
    free(now);
}

static void write_each(void **state) {
    static int (*const writers[])(void *context) = {save, save_weights, save_safetensors};
    (void)state;
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        assert_ok(writers[i](NULL));
        assert_ok(file_read(&older, &older_n, path, 0));
        assert_true(no_memory(writers[i], NULL, 0, check_file) > 0);
        assert_true(no_memory(load, path, 0, NULL) > 10);
        free(older);
    }
}

static void read_golden(void **state) {
    static const char *const names[] = {"lightning-step.ckpt", "lightning-plateau-middle.ckpt", "state-dict.pth",
                                        "nested.pth", "legacy.pth"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char golden[PATH_BYTES];
        assert_ok(path_format(golden, SOURCE_DIR "/tests/checkpoint/golden/%s", names[i]));
        assert_true(no_memory(load, golden, 0, NULL) > 10);
        if (i < 2)
            assert_true(no_memory(load_progress, golden, 0, NULL) > 5);
    }
}

static int set_up(void **state) {
    use_memory_folder();
    root_set_up(state);
    sample = sample_make();
    return path_join(path, root, "a.ckpt");
}

static int tear_down(void **state) {
    ckpt_free(sample);
    return root_tear_down(state);
}

int main(void) {
    json_watch_memory(); /* as the program does */
    no_memory_or_skip();
    const struct CMUnitTest tests[] = {cmocka_unit_test(write_each), cmocka_unit_test(read_golden)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
