#define _GNU_SOURCE
/* The cached index: equal to the index of the folders, and refused if a folder has changed or the file is damaged. */
#include "dataset/make_file.h"

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "dataset/dataset.h"
#include "dataset/index.h"
#include "dataset/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[256], cache[PATH_BYTES];
static int from_cache; /* number of log messages about the cache */

static void watch(void *context, log_level level, const char *line) {
    (void)context;
    (void)level;
    from_cache += strstr(line, "index read from") != NULL;
}

static void make(const char *name) { make_file(root, name); }

/** Runs a shell command in the root. */
static void shell(const char *command) {
    char line[1024];
    snprintf(line, sizeof line, "cd '%s' && %s", root, command);
    assert_int_equal(system(line), 0);
}

static int age_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)where;
    const struct timespec hour_ago[2] = {{.tv_sec = st->st_mtime - 3600}, {.tv_sec = st->st_mtime - 3600}};
    return kind == FTW_D ? utimensat(AT_FDCWD, path, hour_ago, 0) : 0;
}

/** Sets the times of every folder below the root back by one hour. */
static void age(void) { assert_int_equal(nftw(root, age_one, 32, FTW_PHYS), 0); }

static int set_up(void **state) {
    (void)state;
    make_temporary_folder(root);
    snprintf(cache, sizeof cache, "%s/cache", root);
    setenv("XDG_CACHE_HOME", cache, 1);
    log_set_sink(watch, NULL);
    static const char *const files[] = {"train/b/1.jpg",          "train/b/2.JPEG",       "train/b/sub/3.png",
                                        "train/b/sub/deep/4.bmp", "train/B/5.jpg",        "train/B/note.txt",
                                        "train/c-c/6.jpg",        "train/b/sub-x/7.tif",  "outside/in/8.jpg",
                                        "outside/9.jpg",          "train/\xC3\xA9/10.jpg"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        make(files[i]);
    shell("ln -s ../outside train/linked && ln -s ../../outside/9.jpg train/b/9.jpg && mkdir train/b/empty");
    age();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    remove_folder(root);
    return 0;
}

static void assert_same(const dataset *a, const dataset *b) {
    assert_string_equal(a->root, b->root);
    assert_int_equal(a->class_n, b->class_n);
    assert_int_equal(a->image_n, b->image_n);
    for (int c = 0; c < a->class_n; c++) {
        assert_string_equal(a->class_name[c], b->class_name[c]);
        assert_int_equal(a->class_image_n[c], b->class_image_n[c]);
    }
    for (int64_t i = 0; i < a->image_n; i++) {
        assert_string_equal(dataset_name(a, i), dataset_name(b, i));
        assert_int_equal(a->label[i], b->label[i]);
        assert_int_equal(a->name[i], b->name[i]);
    }
}

/** Opens ROOT/train with and without the cache; the results must be equal. @return whether the cache was used */
static bool open_both(void) {
    dataset *plain = NULL, *kept = NULL;
    char message[1024] = "";
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    int rc = dataset_open(&plain, root, "train");
    if (rc != OK)
        snprintf(message, sizeof message, "%s", status_message());
    setenv("XDG_CACHE_HOME", cache, 1);
    from_cache = 0;
    assert_int_equal(dataset_open(&kept, root, "train"), rc);
    if (rc != OK)
        assert_string_equal(message, status_message());
    else
        assert_same(plain, kept);
    dataset_close(plain);
    dataset_close(kept);
    return from_cache > 0;
}

/** The one file of the cache; "" if there is none. */
static void cache_path(char out[PATH_BYTES]) {
    char folder[PATH_BYTES];
    out[0] = 0;
    assert_ok(path_join(folder, cache, "linnet"));
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.') {
            assert_int_equal(out[0], 0);
            assert_ok(path_join(out, folder, e->d_name));
        }
    if (dir != NULL)
        closedir(dir);
}

static void test_cached(void **state) {
    (void)state;
    assert_false(open_both());
    assert_true(open_both());
    dataset *a = NULL, *b = NULL;
    char path[PATH_BYTES];
    assert_ok(path_join(path, root, "train/b/..//"));
    assert_ok(dataset_open(&a, path, NULL)); /* the same folder by another name: its path as root, the same index */
    assert_int_equal(from_cache, 2);
    assert_string_equal(a->root, path);
    assert_ok(dataset_open(&b, root, "train"));
    assert_int_equal(a->image_n, b->image_n);
    assert_int_equal(a->image_n, 11);
    dataset_close(a);
    dataset_close(b);
}

/* Changes of a tree. Each is detected at the next open, and then the new index is cached. */
static void test_changes(void **state) {
    (void)state;
    static const char *const changes[] = {
        "touch train/b/new.jpg",
        "rm train/b/new.jpg",
        "mv train/b/1.jpg train/b/one.jpg",
        "rm train/B/note.txt && touch train/b/sub/deep/x.txt",
        "mkdir train/b/empty/more && touch train/b/empty/more/a.jpg",
        "mkdir train/a && touch train/a/1.jpg",
        "mv train/c-c train/c",
        "rm -r train/c",
        "touch outside/in/new.jpg",
        "mv outside outside2 && mkdir -p outside/in && touch outside/in/8.jpg outside/9.jpg",
        "rm train/linked && ln -s ../outside2 train/linked",
        "touch train/b/quiet.jpg && touch -d '2001-01-01' train/b",
        "mv train/b train/bb && cp -a train/bb train/b && rm train/b/quiet.jpg && touch -r train/bb train/b",
        "chmod 711 train/B",
        "rm -r train && mkdir -p train/x && touch train/x/1.jpg",
    };
    open_both();
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        assert_true(open_both());
        usleep(10000); /* longer than the resolution of the file system's timestamps */
        shell(changes[i]);
        if (open_both())
            fail_msg("not detected: %s", changes[i]);
        age();
        assert_false(open_both());
    }
    assert_true(open_both());
    shell("mkdir train/hollow"); /* an error is the same with and without the cache */
    age();
    assert_false(open_both());
    assert_false(open_both());
    shell("rm -r train");
    assert_false(open_both());
}

static void test_not_cached(void **state) {
    (void)state;
    char path[PATH_BYTES];
    static const char *const doubtful[] = {
        "touch train/b/sub",          /* modified now */
        "touch -d '+1 hour' train/b", /* or later */
        "ln -s nowhere train/later",  /* may become a class */
        "ln -s nowhere train/b/later.jpg",
        "ln -s .. train/b/sub/up",
        "ln -s loop train/b/loop",
    };
    static const char *const undo[] = {
        "true", "true", "rm train/later", "rm train/b/later.jpg", "rm train/b/sub/up", "rm train/b/loop"};
    for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
        shell(doubtful[i]);
        if (i >= 2)
            age();
        assert_false(open_both());
        cache_path(path);
        if (path[0] != 0)
            fail_msg("cached despite: %s", doubtful[i]);
        shell(undo[i]);
        age();
    }
    assert_false(open_both());
    assert_true(open_both());
}

/** Writes `n` bytes as the cache's file; they must be ignored and replaced. */
static void check_ignored(const char *path, const unsigned char *bytes, size_t n, const char *what) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    if (open_both())
        fail_msg("accepted: %s", what);
    assert_true(open_both());
}

static void test_damage(void **state) {
    (void)state;
    char path[PATH_BYTES], what[64];
    unsigned char *bytes = NULL, *damaged = NULL;
    size_t n = 0;
    open_both();
    cache_path(path);
    assert_ok(file_read(&bytes, &n, path, 0));
    damaged = malloc(n + 8);
    for (size_t at = 0; at < n; at += 1 + at / 90) { /* every byte of the header, and some after it */
        memcpy(damaged, bytes, n);
        damaged[at] ^= (unsigned char)(1 << at % 8);
        snprintf(what, sizeof what, "bit %zu of byte %zu", at % 8, at);
        check_ignored(path, damaged, n, what);
    }
    memcpy(damaged, bytes, n);
    memset(damaged + n, 0, 8);
    for (size_t cut = 0; cut < n; cut += 1 + n / 40)
        check_ignored(path, damaged, cut, "cut");
    check_ignored(path, damaged, n + 8, "longer");
    damaged[8]++; /* the version */
    dataset_index_seal(damaged, n);
    check_ignored(path, damaged, n, "version");
    memcpy(damaged, bytes, n);
    damaged[DATASET_INDEX_HEADER]++; /* the path */
    dataset_index_seal(damaged, n);
    check_ignored(path, damaged, n, "path");
    check_ignored(path, (const unsigned char *)"text\n", 5, "text");
    free(bytes);
    free(damaged);
}

/** Damage with a valid checksum: refused, or a consistent dataset. */
static void test_hostile(void **state) {
    (void)state;
    char path[PATH_BYTES], train[PATH_BYTES];
    unsigned char *bytes = NULL, *damaged = NULL;
    size_t n = 0;
    int accepted = 0, refused = 0;
    open_both();
    cache_path(path);
    assert_ok(file_read(&bytes, &n, path, 0));
    assert_ok(path_join(train, root, "train"));
    char *real = realpath(train, NULL);
    for (uint64_t i = 0; i < 20000; i++) {
        random_stream r = random_open(3, 0, i, RANDOM_TEST);
        size_t damaged_n =
            random_below(&r, 4) == 0 ? DATASET_INDEX_HEADER + random_below(&r, n - DATASET_INDEX_HEADER) : n;
        damaged = malloc(damaged_n); /* of this size, so that a sanitizer detects a read past the end */
        memcpy(damaged, bytes, damaged_n);
        for (uint64_t k = random_below(&r, 3); k < 3; k++) {
            size_t at = 32 + random_below(&r, random_below(&r, 2) == 0 ? DATASET_INDEX_HEADER - 32 : damaged_n - 32);
            damaged[at] = random_below(&r, 2) == 0 ? (unsigned char)random_u32(&r) : (unsigned char)(damaged[at] + 1);
        }
        dataset_index_seal(damaged, damaged_n);
        dataset *d = NULL;
        file_stamps f = {0};
        int rc = dataset_index_decode(&d, &f, &source_folder, damaged, damaged_n, real, train);
        free(damaged);
        refused += rc == E_FORMAT;
        accepted += rc == OK;
        assert_true(rc == OK || rc == E_FORMAT);
        if (rc == OK) {
            int64_t images = 0;
            for (int c = 0; c < d->class_n; c++)
                images += d->class_image_n[c];
            assert_int_equal(images, d->image_n);
            for (int64_t k = 0; k < d->image_n; k++) {
                size_t class_bytes = strlen(d->class_name[d->label[k]]);
                assert_int_equal(strncmp(dataset_name(d, k), d->class_name[d->label[k]], class_bytes), 0);
                assert_true(strlen(dataset_name(d, k)) > class_bytes + 1);
            }
        }
        dataset_close(d);
        file_stamps_deinit(&f);
    }
    print_message("%d refused, %d accepted\n", refused, accepted);
    assert_true(refused > 5000 && accepted > 1000);
    free(real);
    free(bytes);
}

static void test_nowhere_to_write(void **state) {
    (void)state;
    static const char *const places[] = {"/proc/nowhere", "relative", "/dev/null"};
    dataset *d = NULL;
    unsetenv("HOME");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        setenv("XDG_CACHE_HOME", places[i], 1);
        for (int k = 0; k < 2; k++) {
            from_cache = 0;
            assert_ok(dataset_open(&d, root, "train"));
            assert_int_equal(from_cache, 0);
            assert_int_equal(d->image_n, 11);
            dataset_close(d);
        }
    }
    assert_false(folder_exists("relative"));
    unsetenv("XDG_CACHE_HOME"); /* ~/.cache */
    setenv("HOME", cache, 1);
    for (int k = 0; k < 2; k++) {
        from_cache = 0;
        assert_ok(dataset_open(&d, root, "train"));
        assert_int_equal(from_cache, k);
        dataset_close(d);
    }
    char path[PATH_BYTES];
    snprintf(cache, sizeof cache, "%s/cache/.cache", root);
    cache_path(path);
    assert_true(path[0] != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cached, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_cached, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nowhere_to_write, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
