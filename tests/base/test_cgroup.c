/* CPU quotas of cgroups, version 1 and 2, from simulated /proc and /sys folders. The memory limits: telemetry's tests.
 */
#include "folder_fixture.h"

#include "base/cgroup.h"

#include <math.h>

static void assert_quota(double expected) {
    uint64_t identity = 0;
    double quota = cgroup_cpu_quota(&identity, folder);
    assert_true(quota == expected);
    assert_true((identity != 0) == isfinite(expected));
}

static void test_no_quota(void **state) {
    (void)state;
    assert_quota(INFINITY);
    put_file("/proc/self/cgroup", "0::/job\n");
    assert_quota(INFINITY); /* no mount point */
    put_file("/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    assert_quota(INFINITY); /* no such file */
    put_file("/sys/fs/cgroup/job/cpu.max", "");
    assert_quota(INFINITY);
}

static void test_version_2(void **state) {
    (void)state;
    put_file("/proc/self/cgroup", "0::/pod/box\n");
    put_file("/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put_file("/sys/fs/cgroup/pod/box/cpu.max", "max 100000\n");
    assert_quota(INFINITY);
    put_file("/sys/fs/cgroup/pod/cpu.max", "400000 100000\n"); /* docker run --cpus 4 */
    assert_quota(4);
    put_file("/sys/fs/cgroup/pod/box/cpu.max", "25000 10000\n");
    assert_quota(2.5);
}

static void test_version_1(void **state) {
    (void)state;
    put_file("/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/docker/ab\n0::/y\n");
    put_file("/proc/self/mountinfo", "31 20 0:27 /x /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                     "32 20 0:28 /docker/ab /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
    put_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    assert_quota(INFINITY);
    put_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
    assert_quota(1.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_no_quota, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_version_2, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_version_1, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
