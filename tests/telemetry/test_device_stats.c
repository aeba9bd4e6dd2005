/* Without arguments: the thread. With the name of a stand-in for NVML, which CTest places before the real library:
 * "nvml", "old" (lacks functions) or "ancient" (lacks a required one); see fake_nvml/fake_nvml.c. */
#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "telemetry/device_stats.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define MIB 1048576.0

static void wait_seconds(double s) {
    struct timespec t = {.tv_sec = (time_t)s, .tv_nsec = (long)(1e9 * (s - floor(s)))};
    while (nanosleep(&t, &t) != 0) {
    }
}

static atomic_bool idle;

static void *be_busy(void *context) {
    volatile double *x = context;
    while (!idle)
        *x += 1;
    return NULL;
}

static void be_busy_for(double seconds) {
    double x = 0;
    pthread_t thread;
    idle = false;
    assert_int_equal(pthread_create(&thread, NULL, be_busy, &x), 0);
    wait_seconds(seconds);
    idle = true;
    pthread_join(thread, NULL);
}

static void check_machine(const device_sample *s) {
    assert_true(s->process_cpu > 0);
    assert_true(s->process_cpu < 110);
    assert_true(isnan(s->cpu) || (s->cpu >= 0 && s->cpu <= 100));
    assert_true(s->process_memory > 4096);
    assert_true(s->memory_used > 0 && s->memory_used <= s->memory_total);
    assert_near(s->seconds, clock_wall(), 5);
}

static void test_busy(void **state) {
    (void)state;
    device_stats *d = NULL;
    device_sample s;
    assert_ok(device_stats_open(&d, 0.02));
    for (int i = 0; i < 2; i++) {
        be_busy_for(0.3);
        device_stats_take(&s, d);
        check_machine(&s);
    }
    device_stats_close(d);
}

static void test_before_the_first_sample(void **state) {
    (void)state;
    device_stats *d = NULL;
    device_sample s;
    assert_ok(device_stats_open(&d, 1000));
    device_stats_take(&s, d); /* too early for percentages */
    assert_true(s.process_memory > 4096 && s.memory_total > 0);
    be_busy_for(0.2);
    for (int i = 0; i < 2; i++) { /* the second is too early again: the last percentages are returned */
        device_stats_take(&s, d);
        check_machine(&s);
    }
    device_stats_close(d);
}

static void test_close_is_prompt(void **state) {
    (void)state;
    device_stats *d = NULL;
    double interval[] = {1000, 0.001, 0.05, INFINITY};
    for (int i = 0; i < 4; i++) {
        assert_ok(device_stats_open(&d, interval[i]));
        wait_seconds(0.06 * (i < 3));
        double begin = clock_seconds();
        device_stats_close(d);
        assert_true(clock_seconds() - begin < 0.2);
    }
    device_stats_close(NULL);
}

/** The line of a thread's status that begins with `key`, or false when no thread has that name. */
static bool thread_status(char out[64], const char *name, const char *key) {
    bool found = false;
    DIR *threads = opendir("/proc/self/task");
    assert_non_null(threads);
    for (struct dirent *e; !found && (e = readdir(threads)) != NULL;) {
        char path[512], line[256];
        bool named = false;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        FILE *f = fopen(path, "r");
        while (f != NULL && fgets(line, sizeof line, f) != NULL) {
            line[strcspn(line, "\n")] = 0;
            if (strncmp(line, "Name:\t", 6) == 0)
                named = strcmp(line + 6, name) == 0;
            if (named && strncmp(line, key, strlen(key)) == 0) {
                snprintf(out, 64, "%.63s", line + strlen(key));
                found = true;
            }
        }
        if (f != NULL)
            fclose(f);
    }
    closedir(threads);
    return found;
}

static void test_signals_and_name(void **state) {
    (void)state;
    device_stats *d = NULL;
    char blocked[64] = "";
    sigset_t mine;
    assert_ok(device_stats_open(&d, 1000));
    for (int i = 0; i < 100 && !thread_status(blocked, "device stats", "SigBlk:"); i++)
        wait_seconds(0.01);
    unsigned long long bits = strtoull(blocked, NULL, 16);
    for (size_t i = 0; i < 4; i++)
        assert_true(bits >> ((const int[]){SIGINT, SIGTERM, SIGUSR1, SIGALRM}[i] - 1) & 1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
    assert_false(sigismember(&mine, SIGINT)); /* unchanged in this thread */
    device_stats_close(d);
}

static void test_no_driver(void **state) {
    (void)state;
    gpu_info gpu[DEVICE_GPUS];
    const char *why = NULL;
    void *library = dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (library != NULL) {
        dlclose(library);
        print_message("this machine has a driver\n");
        skip();
    }
    assert_int_equal(device_stats_gpus(gpu, &why), 0);
    assert_string_equal(why, "libnvidia-ml.so.1 not found: no NVIDIA driver is installed");
    assert_int_equal(device_stats_gpus(gpu, NULL), 0);
}

static const char *fake = "";

static int setup_fake(void **state) {
    (void)state;
    unsetenv("FAKE_NVML");
    unsetenv("CUDA_VISIBLE_DEVICES");
    return 0;
}

static void behave(const char *mode) { assert_int_equal(setenv("FAKE_NVML", mode, 1), 0); }

static void assert_no_gpus(const char *expected) {
    gpu_info gpu[DEVICE_GPUS];
    const char *why = NULL;
    assert_int_equal(device_stats_gpus(gpu, &why), 0);
    assert_non_null(why);
    if (strstr(why, expected) == NULL)
        fail_msg("'%s' lacks '%s'", why, expected);
    device_stats *d = NULL;
    device_sample s;
    assert_ok(device_stats_open(&d, 0.01));
    wait_seconds(0.1);
    device_stats_take(&s, d);
    assert_int_equal(s.gpu_n, 0);
    device_stats_close(d);
}

static void test_gpus(void **state) {
    (void)state;
    gpu_info gpu[DEVICE_GPUS];
    const char *why = "";
    assert_int_equal(device_stats_gpus(gpu, &why), 3);
    assert_null(why);
    assert_string_equal(gpu[1].name, "Fake A");
    assert_string_equal(gpu[2].name, "Fake B");
    assert_string_equal(gpu[0].uuid, "GPU-7a00-0");
    assert_true(gpu[0].memory_total == 81920 * MIB);
}

static void test_visible(void **state) {
    (void)state;
    static const struct {
        const char *list, *seen; /* the last characters of the UUIDs */
    } c[] = {{"0,1,2", "012"}, {"2,0", "20"},      {"1", "1"},         {" 1 , 2 ", "12"},    {"0,-1,2", "0"},
             {"0,3,1", "0"},   {"1,1,0", "10"},    {"GPU-6", "2"},     {"GPU-7b,0", "10"},   {"GPU-7b11-1", "1"},
             {"0,GPU-9", "0"}, {"0,x1", "0"},      {"0,1x", "0"},      {"0,,1", "0"},        {"2,", "2"},
             {"", ""},         {"-1", ""},         {"NoDevFiles", ""}, {"MIG-GPU-7a00", ""}, {"4294967296", ""},
             {",0", ""},       {"GPU-7a00-0x", ""}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        gpu_info gpu[DEVICE_GPUS];
        const char *why = NULL;
        char seen[DEVICE_GPUS + 1] = "";
        assert_int_equal(setenv("CUDA_VISIBLE_DEVICES", c[i].list, 1), 0);
        int n = device_stats_gpus(gpu, &why);
        for (int k = 0; k < n; k++)
            seen[k] = gpu[k].uuid[strlen(gpu[k].uuid) - 1];
        assert_string_equal(seen, c[i].seen);
        assert_true((why == NULL) == (n > 0));
    }
    assert_no_gpus("CUDA_VISIBLE_DEVICES=GPU-7a00-0x matches no GPU");
}

/** Takes samples until one contains GPUs. */
static device_sample take_gpus(device_stats *d) {
    device_sample s = {0};
    for (int i = 0; i < 500 && s.gpu_n == 0; i++) {
        wait_seconds(0.02);
        device_stats_take(&s, d);
    }
    assert_true(s.gpu_n > 0);
    return s;
}

static void assert_gpu(const gpu_sample *g, int i) {
    bool old = strcmp(fake, "old") == 0;
    assert_true(g->utilisation == 90 + i && g->memory_utilisation == 40 + i);
    assert_true(g->memory_used == 30720 * MIB + i && g->memory_total == 81920 * MIB);
    assert_true(old ? isnan(g->power) : fabs(g->power - 350.5 - i) < 1e-9);
    assert_true(old ? isnan(g->temperature) : g->temperature == 60 + i);
    assert_true(old ? isnan(g->sm_clock) : g->sm_clock == 1980 + i);
    assert_true(old ? isnan(g->memory_clock) : g->memory_clock == 2619 + i);
}

static void test_gpu_values(void **state) {
    (void)state;
    device_stats *d = NULL;
    assert_int_equal(setenv("CUDA_VISIBLE_DEVICES", "2,0", 1), 0);
    assert_ok(device_stats_open(&d, 0.01));
    for (int i = 0; i < 3; i++) { /* with no sample or some */
        device_sample s = take_gpus(d);
        assert_int_equal(s.gpu_n, 2);
        assert_gpu(&s.gpu[0], 2);
        assert_gpu(&s.gpu[1], 0);
        assert_true(s.memory_total > 0);
        wait_seconds(0.05);
    }
    device_stats_close(d);
}

static void test_means(void **state) {
    (void)state;
    device_stats *d = NULL;
    behave("ramp"); /* reading k: utilisation k (mean), memory used 1000000 - k (largest), total k (last) */
    assert_ok(device_stats_open(&d, 0.01));
    double last = NAN;
    for (int i = 0; i < 4; i++) {
        device_sample s;
        do { /* until a sample was taken */
            wait_seconds(0.1);
            s = take_gpus(d);
        } while (s.gpu[0].memory_total == last);
        double from = 1000000 - s.gpu[0].memory_used, to = s.gpu[0].memory_total;
        assert_true(from <= to);
        assert_near(s.gpu[0].utilisation, (from + to) / 2, 1e-9);
        if (i > 0)
            assert_true(from == last + 1);
        last = to;
    }
    device_stats_close(d);
}

static void test_unsupported(void **state) {
    (void)state;
    device_stats *d = NULL;
    gpu_info gpu[DEVICE_GPUS];
    behave("bare");
    assert_int_equal(device_stats_gpus(gpu, NULL), 1);
    assert_string_equal(gpu[0].name, "");
    assert_string_equal(gpu[0].uuid, "");
    assert_true(isnan(gpu[0].memory_total));
    assert_ok(device_stats_open(&d, 0.01));
    for (int i = 0; i < 2; i++) {
        device_sample s = take_gpus(d);
        assert_int_equal(s.gpu_n, 1);
        const double *v = &s.gpu[0].utilisation;
        for (size_t k = 0; k < sizeof(gpu_sample) / sizeof *v; k++)
            assert_true(isnan(v[k]));
        wait_seconds(0.05);
    }
    device_stats_close(d);
}

static void test_driver_fails(void **state) {
    (void)state;
    behave("none");
    assert_no_gpus("the NVIDIA driver finds no GPU");
    behave("broken");
    assert_no_gpus(strcmp(fake, "old") == 0 ? "NVML error 9 (unknown error)" : "NVML error 9 (Driver Not Loaded)");
}

static void test_slow_driver(void **state) {
    (void)state;
    device_stats *d = NULL;
    behave("slow"); /* one reading of the three GPUs takes half a second */
    assert_ok(device_stats_open(&d, 0.01));
    for (double end = clock_seconds() + 1.2; clock_seconds() < end;) {
        device_sample now;
        double begin = clock_seconds();
        device_stats_take(&now, d);
        assert_true(clock_seconds() - begin < 0.3);
        wait_seconds(0.02);
    }
    device_sample s = take_gpus(d);
    assert_gpu(&s.gpu[2], 2);
    device_stats_close(d);
}

static void *take_always(void *context) {
    device_sample s;
    for (double end = clock_seconds() + 0.3; clock_seconds() < end;)
        device_stats_take(&s, context);
    return NULL;
}

/* only useful under ThreadSanitizer */
static void test_any_thread(void **state) {
    (void)state;
    device_stats *d = NULL;
    pthread_t thread;
    assert_ok(device_stats_open(&d, 0.01));
    assert_int_equal(pthread_create(&thread, NULL, take_always, d), 0);
    take_always(d);
    pthread_join(thread, NULL);
    device_stats_close(d);
}

static void test_ancient(void **state) {
    (void)state;
    assert_no_gpus("libnvidia-ml.so.1 has no nvmlInit_v2: the NVIDIA driver is too old");
}

int main(int argc, char **argv) {
    const struct CMUnitTest thread_tests[] = {
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_before_the_first_sample),
        cmocka_unit_test(test_close_is_prompt),
        cmocka_unit_test(test_signals_and_name),
        cmocka_unit_test(test_no_driver),
    };
    const struct CMUnitTest gpu_tests[] = {
        cmocka_unit_test_setup(test_gpus, setup_fake),        cmocka_unit_test_setup(test_visible, setup_fake),
        cmocka_unit_test_setup(test_gpu_values, setup_fake),  cmocka_unit_test_setup(test_means, setup_fake),
        cmocka_unit_test_setup(test_unsupported, setup_fake), cmocka_unit_test_setup(test_driver_fails, setup_fake),
        cmocka_unit_test_setup(test_slow_driver, setup_fake), cmocka_unit_test_setup(test_any_thread, setup_fake),
    };
    const struct CMUnitTest ancient_tests[] = {cmocka_unit_test_setup(test_ancient, setup_fake)};
    if (argc < 2)
        return cmocka_run_group_tests(thread_tests, NULL, NULL);
    fake = argv[1];
    if (strcmp(fake, "ancient") == 0)
        return cmocka_run_group_tests(ancient_tests, NULL, NULL);
    return cmocka_run_group_tests(gpu_tests, NULL, NULL);
}
