#include "root.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int entries(void) {
    int n = 0;
    DIR *dir = opendir(root);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 2; /* without . and .. */
}

static void check_content(const char *path, const char *expected) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    assert_ok(file_read(&bytes, &n, path, 0));
    assert_int_equal(n, strlen(expected));
    assert_string_equal((char *)bytes, expected);
    free(bytes);
}

static void test_read_and_write_at(void **state) {
    (void)state;
    char path[PATH_BYTES], bytes[8] = "";
    assert_ok(path_join(path, root, "at"));
    int fd = open(path, O_RDWR | O_CREAT, 0666);
    assert_true(fd >= 0);
    assert_ok(file_write_at(fd, 2, "cdef", 4, path));
    assert_ok(file_write_at(fd, 0, "ab", 2, path));
    assert_ok(file_write_at(fd, 0, NULL, 0, path));
    assert_int_equal(file_read_at(fd, 1, bytes, 3), 3);
    assert_memory_equal(bytes, "bcd", 3);
    assert_int_equal(file_read_at(fd, 4, bytes, 8), 2); /* the file ends there */
    assert_memory_equal(bytes, "ef", 2);
    assert_int_equal(file_read_at(fd, 6, bytes, 1), 0);
    close(fd);
    check_content(path, "abcdef");
    assert_int_equal(file_read_at(fd, 0, bytes, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_fails(E_IO, path, file_write_at(fd, 0, "x", 1, path));
}

static void test_read(void **state) {
    (void)state;
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    assert_ok(path_join(path, root, "a"));
    assert_fails(E_NOTFOUND, path, file_read(&bytes, &n, path, 0));
    assert_ok(file_write_atomic(path, "", 0));
    check_content(path, "");
    assert_ok(file_write_atomic(path, "hello", 5));
    check_content(path, "hello");
    assert_ok(file_read(&bytes, &n, path, 5));
    free(bytes);
    bytes = NULL;
    assert_fails(E_FORMAT, "file of 5 bytes, more than the limit of 4 bytes", file_read(&bytes, &n, path, 4));
    assert_fails(E_IO, "not a regular file", file_read(&bytes, &n, root, 0));
    assert_ok(path_join(path, root, "pipe"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_fails(E_IO, "not a regular file",
                 file_read(&bytes, &n, path, 0)); /* and the read of a pipe does not block */
    assert_null(bytes);
}

static void test_paths(void **state) {
    (void)state;
    char path[PATH_BYTES];
    static char huge[PATH_BYTES + 10];
    static const char *const cases[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a//", "b", "a/b"},
                                           {"/", "b", "/b"},  {"", "b", "b"},     {"/a", "b/c", "/a/b/c"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(path_join(path, cases[i][0], cases[i][1]));
        assert_string_equal(path, cases[i][2]);
    }
    memset(huge, 'x', sizeof huge - 1);
    assert_fails(E_IO, "path too long", path_join(path, "a", huge));
    assert_fails(E_IO, "path too long", path_format(path, "%s", huge));
    assert_fails(E_IO, "path too long", file_write_atomic(huge, "x", 1));
}

static void test_stays_below(void **state) {
    (void)state;
    static const char *const below[] = {"a", "a/b", "...", "a/..b", "a/b..", ".", "./a", "a//b"},
                             *const beyond[] = {"", "/", "/a", "..", "../a", "a/..", "a/../b", "a//../b"};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        assert_true(path_stays_below(below[i], strlen(below[i])));
        assert_false(path_stays_below(beyond[i], strlen(beyond[i])));
    }
    assert_true(path_stays_below("../a", 1)); /* reads only the given number of bytes */
    assert_false(path_stays_below("..a", 2));
}

static void test_folders(void **state) {
    (void)state;
    char path[PATH_BYTES], below[PATH_BYTES];
    assert_ok(path_join(path, root, "x/y/z"));
    assert_false(folder_exists(path));
    assert_ok(folder_make(path));
    assert_ok(folder_make(path));
    assert_true(folder_exists(path));
    assert_ok(path_join(path, root, "file"));
    assert_ok(file_write_atomic(path, "x", 1));
    assert_true(file_exists(path));
    assert_false(folder_exists(path));
    assert_fails(E_IO, "a file of that name", folder_make(path));
    assert_ok(path_join(below, path, "deeper"));
    assert_fails(E_IO, "deeper", folder_make(below));
    assert_ok(file_remove(path));
    assert_false(file_exists(path));
    assert_ok(file_remove(path)); /* not there: no error */
}

static void test_atomic(void **state) {
    (void)state;
    char path[PATH_BYTES];
    atomic_file f;
    assert_ok(path_join(path, root, "a"));
    assert_ok(file_write_atomic(path, "old", 3));
    assert_ok(atomic_open(&f, path));
    assert_ok(atomic_write(&f, "0000 new", 8));
    assert_ok(atomic_write(&f, " text", 5));
    assert_int_equal(f.written, 13);
    check_content(path, "old"); /* unchanged before the commit */
    assert_ok(atomic_commit(&f));
    atomic_abort(&f); /* no effect after the commit */
    check_content(path, "0000 new text");
    assert_int_equal(entries(), 1);
    assert_ok(atomic_open(&f, path));
    assert_ok(atomic_write(&f, "other", 5));
    atomic_abort(&f);
    check_content(path, "0000 new text");
    assert_int_equal(entries(), 1);
}

/** After any failure the old file is unchanged and no temporary file is left. */
static void test_atomic_failures(void **state) {
    (void)state;
    char path[PATH_BYTES], folder[PATH_BYTES];
    struct rlimit before, small;
    static const char big[200] = "x";
    assert_ok(path_join(path, root, "a"));
    assert_ok(file_write_atomic(path, "old", 3));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100; /* a write beyond it fails after a partial write */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = file_write_atomic(path, big, sizeof big);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, E_IO);
    assert_non_null(strstr(status_message(), path));
    check_content(path, "old");
    assert_int_equal(entries(), 1);

    assert_ok(path_join(folder, root, "folder"));
    assert_ok(folder_make(folder));
    assert_fails(E_IO, "cannot rename", file_write_atomic(folder, "x", 1)); /* a folder is in the way */
    assert_int_equal(entries(), 2);

    assert_ok(path_join(path, root, "nowhere/a"));
    assert_fails(E_NOTFOUND, "nowhere/a", file_write_atomic(path, "x", 1));
    if (access("/dev/full", W_OK) == 0) { /* a full disk has an error code of its own */
        atomic_file f = {.fd = open("/dev/full", O_WRONLY)};
        assert_fails(E_FULL, "No space left", atomic_write(&f, "x", 1));
        close(f.fd);
    }
}

/** A path of the greatest length is refused, because the name of the temporary file would be longer. */
static void test_atomic_longest_path(void **state) {
    (void)state;
    static char path[PATH_BYTES];
    size_t n = strlen(root);
    memcpy(path, root, n);
    while (n < PATH_BYTES - 1) { /* "ROOT/////...//a" */
        path[n] = n == PATH_BYTES - 2 ? 'a' : '/';
        n++;
    }
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    close(fd);
    assert_fails(E_IO, "path too long", file_write_atomic(path, "x", 1));
    assert_true(file_exists(path)); /* the failure must not remove the file */
}

/** A symbolic link with the temporary file's name is not followed, and its target is unchanged. */
static void test_links_of_temporaries(void **state) {
    (void)state;
    char path[PATH_BYTES], link[PATH_BYTES], victim[PATH_BYTES];
    int fd = -1;
    assert_ok(path_join(path, root, "a"));
    assert_ok(path_join(link, root, "a.tmp"));
    assert_ok(path_join(victim, root, "victim"));
    assert_ok(file_write_atomic(victim, "precious", 8));
    assert_int_equal(symlink(victim, link), 0);
    assert_fails(E_IO, "a.tmp", file_write_atomic(path, "x", 1));
    assert_fails(E_IO, "a.tmp", lock_take(&fd, link));
    check_content(victim, "precious");
    assert_int_equal(unlink(link), 0);
    assert_int_equal(mkfifo(link, 0600), 0); /* opening it would wait */
    assert_fails(E_IO, "a.tmp: a link, a folder or a special file", file_write_atomic(path, "x", 1));
    assert_int_equal(unlink(link), 0);
    assert_int_equal(linkat(AT_FDCWD, victim, AT_FDCWD, link, 0), 0);
    assert_fails(E_IO, "a.tmp: a link, a folder or a special file", file_write_atomic(path, "x", 1));
    check_content(victim, "precious");
    assert_false(file_exists(path));
    assert_int_equal(unlink(link), 0);
    assert_ok(file_write_atomic(link, "left by a killed run", 20));
    assert_ok(file_write_atomic(path, "x", 1));
    check_content(path, "x");
    assert_false(file_exists(link));
}

static void test_folder_without_name(void **state) {
    (void)state;
    assert_fails(E_IO, "the path is empty", folder_make(""));
}

static void test_lock(void **state) {
    (void)state;
    char path[PATH_BYTES], pid[32];
    int a = -1, b = -1;
    assert_ok(path_join(path, root, "lock"));
    assert_ok(lock_take(&a, path));
    snprintf(pid, sizeof pid, "%ld on ", (long)getpid());
    assert_fails(E_LOCKED, pid, lock_take(&b, path));
    assert_int_equal(b, -1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) { /* another process is refused as well */
        close(a);     /* the parent's copy still holds the lock */
        _exit(lock_take(&b, path) == E_LOCKED ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(a);
    assert_ok(lock_take(&b, path));
    close(b);
    assert_ok(path_join(path, root, "nowhere/lock"));
    assert_fails(E_NOTFOUND, "lock", lock_take(&b, path));
}

static void test_clocks(void **state) {
    (void)state;
    double a = clock_seconds(), wall = clock_wall();
    usleep(2000);
    assert_true(clock_seconds() - a >= 0.002);
    assert_true(wall > 1.6e9 && clock_wall() >= wall);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read_and_write_at, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(test_read, root_set_up, root_tear_down),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_stays_below),
        cmocka_unit_test_setup_teardown(test_folders, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(test_atomic, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(test_atomic_failures, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(test_atomic_longest_path, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(test_lock, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(test_links_of_temporaries, root_set_up, root_tear_down),
        cmocka_unit_test(test_folder_without_name),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
