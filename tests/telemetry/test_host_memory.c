/* The limits of a process's memory, read from simulated /proc and /sys folders. */
#include "base/file.h"
#include "check.h"
#include "telemetry/host_memory.h"

static char root[256];

static void put(const char *name, const char *contents) {
    char path[PATH_BYTES];
    assert_ok(path_format(path, "%s%s", root, name));
    char *cut = strrchr(path, '/');
    *cut = 0;
    assert_ok(folder_make(path));
    *cut = '/';
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(contents, f);
    fclose(f);
}

static int make_root(void **state) {
    (void)state;
    make_temporary_folder(root);
    return 0;
}

static int remove_root(void **state) {
    (void)state;
    remove_folder(root);
    return 0;
}

static void nothing_known(void **state) {
    (void)state;
    assert_true(host_memory_available_in(root) == SIZE_MAX);
}

static void the_machine(void **state) {
    (void)state;
    put("/proc/meminfo", "MemTotal:       1000 kB\nMemFree: 10 kB\nMemAvailable:    500 kB\n");
    assert_int_equal(host_memory_available_in(root), 500 * 1024);
}

static void version_2(void **state) {
    (void)state;
    put("/proc/meminfo", "MemAvailable:    500 kB\n");
    put("/proc/self/cgroup", "0::/slice/box\n");
    put("/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/slice/box/memory.max", "max\n");
    put("/sys/fs/cgroup/slice/box/memory.current", "1000\n");
    assert_int_equal(host_memory_available_in(root), 500 * 1024); /* no limit */
    put("/sys/fs/cgroup/slice/memory.max", "300000\n");
    put("/sys/fs/cgroup/slice/memory.current", "200000\n");
    assert_int_equal(host_memory_available_in(root), 100000); /* the limit of the parent group */
    put("/sys/fs/cgroup/slice/memory.stat", "anon 5\ninactive_file 50000\nactive_file 7\n");
    assert_int_equal(host_memory_available_in(root), 150000);
    put("/sys/fs/cgroup/slice/box/memory.max", "900\n");
    assert_int_equal(host_memory_available_in(root), 0); /* over its limit */
}

static void version_1(void **state) {
    (void)state;
    put("/proc/meminfo", "MemAvailable:    500 kB\n");
    put("/proc/self/cgroup", "5:cpu:/\n4:memory:/outside/box\n0::/\n");
    put("/proc/self/mountinfo", "32 20 0:28 /outside/box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "80000\n"); /* a container sees its own group at the top */
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "30000\n");
    put("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 10000\n");
    assert_int_equal(host_memory_available_in(root), 60000);
}

static void this_process(void **state) {
    (void)state;
    size_t now = host_memory_resident(), peak = host_memory_peak();
    assert_true(now > 0 && peak >= now / 2); /* the kernel's count of the current memory is approximate */
    assert_true(host_memory_available() > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_known, make_root, remove_root),
        cmocka_unit_test_setup_teardown(the_machine, make_root, remove_root),
        cmocka_unit_test_setup_teardown(version_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(version_1, make_root, remove_root),
        cmocka_unit_test(this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
