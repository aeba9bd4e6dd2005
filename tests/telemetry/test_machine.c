#define _GNU_SOURCE
#include "folder_fixture.h"

#include "base/file.h"
#include "base/proc.h"
#include "telemetry/machine.h"

#include <unistd.h>

#define MIB 1048576.0

static void test_values(void **state) {
    (void)state;
    static const char meminfo[] = "MemTotal:       24684096 kB\nMemFree:  1 kB\nSwapTotal:\nMemAvailable:   9 kB";
    assert_true(proc_value(meminfo, "MemTotal:") == 24684096);
    assert_true(proc_value(meminfo, "MemAvailable:") == 9);
    assert_true(isnan(proc_value(meminfo, "Mem:")));
    assert_true(isnan(proc_value(meminfo, "emTotal:")));
    assert_true(isnan(proc_value("MemTotal:", "MemTotal:")));
    assert_true(isnan(proc_value("max\n", "")));
    assert_true(proc_value("9223372036854771712\n", "") > 9e18);
    assert_true(isnan(proc_value("", "a")));
    assert_true(isnan(proc_value(NULL, "a")));
}

static void test_cpu_percent(void **state) {
    (void)state;
    static cpu_time last[MACHINE_CPUS];
    uint64_t allowed[MACHINE_WORDS] = {[0] = 0xb, [1] = 1}; /* 0, 1, 3, 64 */
    assert_true(isnan(cpu_percent(last, allowed,
                                  "cpu  9 9 9 9 9 9 9 9 9 9\n"
                                  "cpu0 100 0 100 1000 50 0 0 0 0 0\n"
                                  "cpu1 100 0 100 1000 50 0 0 0 0 0\n"
                                  "cpu2 0 0 0 0 0 0 0 0 0 0\n"
                                  "cpu64 100 0 100 1000 50 0 0 0 0 0\n"
                                  "intr 1 2 3\n")));
    /* 0: 60 of 100 busy, guest time counts once; 1 is offline; 2 is not allowed; 3 is new */
    assert_near(cpu_percent(last, allowed,
                            "cpu0 130 10 110 1030 60 5 3 2 25 10\n"
                            "cpu2 900 0 0 0 0 0 0 0 0 0\n"
                            "cpu3 10 0 0 10 0 0 0 0 0 0\n"
                            "cpu64 100 0 100 1100 50 0 0 0 0 0\n"),
                30, 1e-12);
    /* 1 is online again and has no earlier value to compare; iowait decreased on 0; 3 is fully busy, 64 idle */
    assert_near(cpu_percent(last, allowed,
                            "cpu0 130 10 110 1030 10 5 3 2 25 10\n"
                            "cpu1 1 0 0 1 0 0 0 0 0 0\n"
                            "cpu3 20 0 0 10 0 0 0 0 0 0\n"
                            "cpu64 100 0 100 1130 50 0 0 0 0 0\n"),
                25, 1e-12);
    assert_near(cpu_percent(last, allowed, "cpu1 2 0 0 2\n"), 50, 1e-12); /* the columns of old kernels */
    assert_true(isnan(cpu_percent(last, allowed, "cpu1 2 0 0 2\n")));     /* no tick since the last sample */
    assert_true(isnan(cpu_percent(last, allowed, "cpu8192 1 1 1 1\ncpu-1 1 1 1 1\ncpux\ncpu")));
    assert_true(isnan(cpu_percent(last, allowed, "")));
    assert_true(isnan(cpu_percent(last, allowed, NULL)));
}

static device_sample read_folder(void) {
    static machine m;
    device_sample s = {0};
    assert_ok(machine_init(&m, folder));
    machine_read(&s, &m);
    machine_deinit(&m);
    return s;
}

#define MEMINFO "MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: 409600 kB\n"
#define V2_MOUNT "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

static void test_nothing_there(void **state) {
    (void)state;
    device_sample s = read_folder();
    assert_true(isnan(s.cpu) && isnan(s.process_memory) && isnan(s.memory_used) && isnan(s.memory_total));
    assert_near(s.seconds, clock_wall(), 60);
    put_file("/proc/meminfo", "");
    put_file("/proc/stat", "");
    put_file("/proc/self/statm", "\n");
    put_file("/proc/self/cgroup", "0::/\n");
    put_file("/proc/self/mountinfo", "\n - \n1 2 3 4 5 - cgroup2\n");
    s = read_folder();
    assert_true(isnan(s.cpu) && isnan(s.process_memory) && isnan(s.memory_used) && isnan(s.memory_total));
}

static void test_memory(void **state) {
    (void)state;
    put_file("/proc/meminfo", MEMINFO);
    put_file("/proc/self/statm", "7000 250 90 5 0 123 0\n");
    device_sample s = read_folder();
    assert_true(s.process_memory == 250.0 * (double)sysconf(_SC_PAGESIZE));
    assert_true(s.memory_total == 1000 * MIB);
    assert_true(s.memory_used == 600 * MIB);
}

static void test_cgroup_v2(void **state) {
    (void)state;
    put_file("/proc/meminfo", MEMINFO);
    put_file("/proc/self/cgroup", "0::/job.slice/step\n");
    put_file("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" V2_MOUNT);
    put_file("/sys/fs/cgroup/job.slice/step/memory.max", "max\n");
    assert_true(read_folder().memory_total == 1000 * MIB);
    put_file("/sys/fs/cgroup/job.slice/memory.max", "209715200\n");
    put_file("/sys/fs/cgroup/job.slice/memory.current", "104857600\n");
    put_file("/sys/fs/cgroup/job.slice/memory.stat", "anon 1\nactive_file 1048576\nfile 3\ninactive_file 2097152\n");
    device_sample s = read_folder();
    assert_true(s.memory_total == 200 * MIB);
    assert_true(s.memory_used == 97 * MIB);
    put_file("/sys/fs/cgroup/job.slice/step/memory.max",
             "104857600\n"); /* a lower limit, but without a file for its usage */
    s = read_folder();
    assert_true(s.memory_total == 100 * MIB && isnan(s.memory_used));
    put_file("/sys/fs/cgroup/job.slice/step/memory.max", "max\n");
    put_file("/sys/fs/cgroup/job.slice/memory.max", "2097152000\n"); /* more than the machine's memory */
    s = read_folder();
    assert_true(s.memory_total == 1000 * MIB && s.memory_used == 600 * MIB);
    put_file("/proc/meminfo", "");
    assert_true(read_folder().memory_total == 2000 * MIB); /* the only known value */
}

static void test_cgroup_v1(void **state) {
    (void)state;
    put_file("/proc/meminfo", MEMINFO);
    put_file("/proc/self/cgroup", "5:cpu,cpuacct:/\n4:hugetlb,memory:/docker/ab\n1:name=systemd:/x\n0::/y\n");
    put_file("/proc/self/mountinfo",
             V2_MOUNT "31 20 0:27 /docker/ab /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                      "32 20 0:28 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    put_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(read_folder().memory_total == 1000 * MIB);
    put_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
    put_file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "52428800\n");
    put_file("/sys/fs/cgroup/memory/memory.stat",
             "active_file 9\ninactive_file 9\ntotal_inactive_file 1048576\ntotal_active_file 0\n");
    device_sample s = read_folder();
    assert_true(s.memory_total == 100 * MIB);
    assert_true(s.memory_used == 49 * MIB);
    put_file("/proc/self/cgroup", "4:memory:/docker/abc\n"); /* not below the root of the mount */
    assert_true(read_folder().memory_total == 100 * MIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_cpu_percent),
        cmocka_unit_test_setup_teardown(test_nothing_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cgroup_v2, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cgroup_v1, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
