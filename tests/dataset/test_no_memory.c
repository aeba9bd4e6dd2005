#define _GNU_SOURCE
/* Listing a dataset without memory: a folder, with and without its cached index, and shards. */
#include "no_memory.h"

#include "base/file.h"
#include "base/json.h"
#include "dataset/dataset.h"
#include "dataset/read.h"
#include "dataset/tar.h"
#include "root.h"

#include <utime.h>

static char folder[PATH_BYTES], shards[PATH_BYTES];

static void shell(const char *command) {
    char line[1024];
    snprintf(line, sizeof line, "cd '%s' && %s", root, command);
    assert_int_equal(system(line), 0);
}

static int read_image(const dataset *d) {
    image_buffer b = {0};
    const unsigned char *bytes = NULL;
    size_t n = 0;
    int rc = dataset_read(&bytes, &n, &b, d, 0, 0);
    image_buffer_deinit(&b);
    return rc;
}

static int open_and_read(const char *path, const char *split, bool allow_empty) {
    dataset *d = NULL;
    int rc = OK;
    TRY(dataset_open_request(&d, &(dataset_request){.root = path, .split = split, .allow_empty = allow_empty}));
    assert_int_equal(d->image_n, 6);
    TRY(read_image(d));
done:
    dataset_close(d);
    return rc;
}

static int open_folder(void *context) {
    (void)context;
    return open_and_read(folder, "train", true);
}

static int open_cached(void *context) {
    (void)context;
    return open_and_read(folder, "train", false);
}

static int open_shards(void *context) {
    (void)context;
    return open_and_read(shards, "train", false);
}

static int open_shards_anew(void *context) {
    char path[PATH_BYTES];
    (void)context;
    assert_ok(path_join(path, shards, "train-0.tar"));
    static time_t changed = 1000000000;
    assert_int_equal(utime(path, &(struct utimbuf){changed, changed}), 0); /* the stored index is of another time */
    changed++;
    return open_and_read(shards, "train", false);
}

static void write_shard(void) {
    static const char zeros[1024];
    char path[PATH_BYTES], name[64];
    text t = {0};
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "%d.jpg", i);
        assert_ok(tar_put_header(&t, name, 4));
        assert_ok(text_append(&t, "jpeg", 4));
        assert_ok(text_append(&t, zeros, 508));
        snprintf(name, sizeof name, i % 2 ? "%d.cls" : "%d.json", i);
        const char *label = i % 2 ? "1" : "{\"label\":0}";
        assert_ok(tar_put_header(&t, name, strlen(label)));
        assert_ok(text_append(&t, label, strlen(label)));
        assert_ok(text_append(&t, zeros, tar_padding(strlen(label))));
    }
    assert_ok(text_append(&t, zeros, sizeof zeros));
    assert_ok(path_join(path, shards, "train-0.tar"));
    assert_ok(file_write_atomic(path, t.data, t.n));
    assert_ok(path_join(path, shards, "_info.json"));
    static const char info[] = "{\"splits\":{\"train\":{\"filenames\":[\"train-0.tar\"],\"shard_lengths\":[6]}}}";
    assert_ok(file_write_atomic(path, info, strlen(info)));
    text_deinit(&t);
}

static void each(void **state) {
    (void)state;
    assert_true(no_memory(open_folder, NULL, E_FORMAT, NULL) > 10);
    assert_true(no_memory(open_cached, NULL, E_FORMAT, NULL) > 10);
    assert_true(no_memory(open_shards, NULL, E_FORMAT, NULL) > 10);
    assert_true(no_memory(open_shards_anew, NULL, E_FORMAT, NULL) > 10);
}

static int set_up(void **state) {
    root_set_up(state);
    assert_ok(path_join(folder, root, "folder"));
    assert_ok(path_join(shards, root, "shards"));
    shell("mkdir -p shards folder/train/a/s folder/train/b && echo x | tee folder/train/a/1.jpg folder/train/a/2.jpg "
          "folder/train/a/s/3.png folder/train/b/1.jpg folder/train/b/2.jpg folder/train/b/3.JPEG && "
          "find folder -type d -exec touch -d '1 hour ago' {} +");
    char cache[PATH_BYTES];
    assert_ok(path_join(cache, root, "cache"));
    assert_int_equal(setenv("XDG_CACHE_HOME", cache, 1), 0);
    write_shard();
    return 0;
}

int main(void) {
    json_watch_memory(); /* as the program does */
    no_memory_or_skip();
    const struct CMUnitTest tests[] = {cmocka_unit_test(each)};
    return cmocka_run_group_tests(tests, set_up, root_tear_down);
}
