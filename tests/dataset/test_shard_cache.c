/* Plain copies of compressed shards: made once, removed by the limit, made again; damage leaves nothing behind. */
#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "dataset/shard_cache.h"
#include "folder_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { BYTES = 100000, SHARDS = 5 };

static shard_cache cache;

static void write_shard(int i, int bytes) {
    char path[PATH_BYTES];
    unsigned char *plain = malloc(BYTES);
    assert_non_null(plain);
    for (int k = 0; k < bytes; k++)
        plain[k] = (unsigned char)(k * 31 + i);
    assert_ok(path_format(path, "%s/%d.tar.gz", folder, i));
    gzFile f = gzopen(path, "wb");
    assert_int_equal(gzwrite(f, plain, (unsigned)bytes), bytes);
    assert_int_equal(gzclose(f), Z_OK);
    free(plain);
}

/** The version of a shard, as a list of shards has it. */
static file_stamp stamp_of(int i) {
    char path[PATH_BYTES];
    struct stat st;
    assert_ok(path_format(path, "%s/%d.tar.gz", folder, i));
    assert_int_equal(stat(path, &st), 0);
    return (file_stamp){.modified = shard_cache_version(stamp_nanoseconds(st.st_mtim), (uint64_t)st.st_size)};
}

static int open_shard(int *fd, file_stamp *stamp, bool *made, int i) {
    char name[16];
    snprintf(name, sizeof name, "%d.tar.gz", i);
    return shard_cache_open_copy(fd, stamp, made, &cache, folder, name, NULL);
}

/** Opens a shard, checks its bytes, and closes it. @return whether a copy was made */
static bool check_shard(int i, int bytes) {
    int fd = -1;
    bool made = false;
    file_stamp stamp = stamp_of(i);
    unsigned char *plain = malloc(BYTES);
    assert_ok(open_shard(&fd, &stamp, &made, i));
    assert_int_equal(stamp.changed, bytes);
    assert_int_equal(file_read_at(fd, 0, plain, BYTES), bytes);
    for (int k = 0; k < bytes; k++)
        assert_int_equal(plain[k], (unsigned char)(k * 31 + i));
    close(fd);
    free(plain);
    return made;
}

/** Number of files in the cache, and their bytes. */
static int copies(uint64_t *bytes) {
    int n = 0;
    *bytes = 0;
    DIR *dir = opendir(cache.folder);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        struct stat st;
        assert_int_equal(fstatat(dirfd(dir), e->d_name, &st, 0), 0);
        if (S_ISREG(st.st_mode) && strcmp(e->d_name, "lock") != 0) {
            *bytes += (uint64_t)st.st_size;
            n++;
        }
    }
    closedir(dir);
    return n;
}

static void begin(uint64_t limit) {
    char path[PATH_BYTES], command[PATH_BYTES + 16];
    assert_ok(path_join(path, folder, "cache"));
    snprintf(command, sizeof command, "rm -rf -- '%s'", path);
    assert_int_equal(system(command), 0);
    assert_ok(shard_cache_init(&cache, path, limit, 0));
    for (int i = 0; i < SHARDS; i++)
        write_shard(i, BYTES);
}

static void test_once(void **state) {
    (void)state;
    uint64_t bytes = 0;
    begin(0);
    assert_true(check_shard(0, BYTES));
    assert_false(check_shard(0, BYTES));
    write_shard(0, 500); /* another file, in the same place */
    assert_true(check_shard(0, 500));
    assert_true(check_shard(1, BYTES));
    assert_int_equal(copies(&bytes), 3);
}

/** The copy that was opened longest ago is removed, but not one that is open. */
static void test_limit(void **state) {
    (void)state;
    uint64_t bytes = 0;
    int fd[3] = {-1, -1, -1};
    bool made = false;
    file_stamp stamp = {0};
    begin(3 * BYTES + BYTES / 2);
    for (int i = 0; i < 3; i++) {
        assert_true(check_shard(i, BYTES));
        usleep(20000); /* file times have the resolution of the system's clock tick */
    }
    assert_false(check_shard(0, BYTES)); /* now 1 is the oldest */
    usleep(20000);
    assert_true(check_shard(3, BYTES));
    assert_int_equal(copies(&bytes), 3);
    assert_false(check_shard(0, BYTES));
    assert_false(check_shard(2, BYTES));
    assert_true(check_shard(1, BYTES));
    begin(3 * BYTES + BYTES / 2);
    for (int i = 0; i < 3; i++, stamp = (file_stamp){0})
        assert_ok(open_shard(&fd[i], &stamp, &made, i));
    int more = -1;
    assert_fails(E_FULL, "are in use, and data.cache_size is 350000: raise", open_shard(&more, &stamp, &made, 3));
    assert_int_equal(copies(&bytes), 3);
    close(fd[1]);
    assert_true(check_shard(3, BYTES));
    close(fd[0]);
    close(fd[2]);
    begin(BYTES - 1);
    assert_fails(E_DATA, "raise data.cache_size", open_shard(&more, &stamp, &made, 0));
    assert_int_equal(copies(&bytes), 0);
}

static void test_faults(void **state) {
    (void)state;
    char path[PATH_BYTES];
    uint64_t bytes = 0;
    int fd = -1;
    bool made = false;
    file_stamp stamp = {0};
    begin(0);
    assert_ok(path_format(path, "%s/2.tar.gz", folder));
    assert_int_equal(truncate(path, 200), 0);
    assert_fails(E_DATA, "2.tar.gz ends at byte 200", open_shard(&fd, &stamp, &made, 2));
    assert_int_equal(copies(&bytes), 0);
    assert_true(check_shard(3, BYTES));
    stamp = (file_stamp){.modified = 7, .changed = BYTES}; /* another version was indexed */
    assert_fails(E_DATA, "3.tar.gz was modified after it was indexed: start again", open_shard(&fd, &stamp, &made, 3));
    assert_true(check_shard(4, BYTES));
    assert_fails(E_NOTFOUND, "9.tar.gz", open_shard(&fd, &(file_stamp){0}, &made, 9));
    assert_ok(path_format(cache.folder, "/proc/nowhere"));
    assert_int_not_equal(open_shard(&fd, &(file_stamp){0}, &made, 0), OK);
}

static void *open_one(void *context) {
    int fd = -1;
    bool made = false;
    file_stamp stamp = {0};
    if (open_shard(&fd, &stamp, &made, 0) != OK)
        return NULL;
    usleep(50000);
    close(fd);
    if (made)
        __atomic_fetch_add((int *)context, 1, __ATOMIC_SEQ_CST);
    return context;
}

static void test_together(void **state) {
    (void)state;
    enum { THREADS = 8 };
    pthread_t thread[THREADS];
    int made = 0;
    begin(0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, open_one, &made), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(thread[i], &result);
        assert_non_null(result);
    }
    assert_int_equal(made, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once), cmocka_unit_test(test_limit),
                                       cmocka_unit_test(test_faults), cmocka_unit_test(test_together)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
