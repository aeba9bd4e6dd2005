/* A stand-in for libnvidia-ml.so.1. FAKE_NVML selects its behaviour:
 *   (unset)  three GPUs; GPU i reports the values that test_device_stats.c expects
 *   bare     one GPU that supports no query
 *   slow     like unset, but every query takes 30 ms
 *   ramp     the k-th reading (from 1) reports: utilisation k, memory total k, used 1000000 - k
 *   none     no GPU
 *   broken   initialisation fails
 * Compiled with FAKE_OLD it lacks the power, temperature, clock and error text functions, with FAKE_ANCIENT
 * nvmlInit_v2. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DONE = 0, UNINITIALISED = 1, BAD_ARGUMENT = 2, NOT_SUPPORTED = 3, TOO_SHORT = 7, NOT_LOADED = 9 };

typedef struct device {
    unsigned index;
} device;

static device devices[] = {{0}, {1}, {2}};
static int started, reading;

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned *n);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **out);
int nvmlDeviceGetName(device *d, char *out, unsigned bytes);
int nvmlDeviceGetUUID(device *d, char *out, unsigned bytes);
int nvmlDeviceGetUtilizationRates(device *d, unsigned out[2]);
int nvmlDeviceGetMemoryInfo(device *d, unsigned long long out[3]);
int nvmlDeviceGetPowerUsage(device *d, unsigned *out);
int nvmlDeviceGetTemperature(device *d, int sensor, unsigned *out);
int nvmlDeviceGetClockInfo(device *d, int which, unsigned *out);
const char *nvmlErrorString(int error);

static bool is(const char *mode) {
    const char *set = getenv("FAKE_NVML");
    return set != NULL && strcmp(set, mode) == 0;
}

static int answer(void) {
    if (started <= 0)
        return UNINITIALISED;
    if (is("slow"))
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    return is("bare") ? NOT_SUPPORTED : DONE;
}

#ifndef FAKE_ANCIENT
int nvmlInit_v2(void) {
    if (is("broken"))
        return NOT_LOADED;
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    return DONE;
}
#endif

int nvmlShutdown(void) { return __atomic_sub_fetch(&started, 1, __ATOMIC_SEQ_CST) >= 0 ? DONE : UNINITIALISED; }

int nvmlDeviceGetCount_v2(unsigned *n) {
    *n = is("none") ? 0 : is("bare") ? 1 : 3;
    return started > 0 ? DONE : UNINITIALISED;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **out) {
    if (index >= 3)
        return BAD_ARGUMENT;
    *out = &devices[index];
    return DONE;
}

static int put(char *out, unsigned bytes, const char *text) {
    if (is("bare"))
        return NOT_SUPPORTED;
    int n = snprintf(out, bytes, "%s", text);
    return n >= 0 && (unsigned)n < bytes ? DONE : TOO_SHORT;
}

int nvmlDeviceGetName(device *d, char *out, unsigned bytes) {
    return put(out, bytes, d->index < 2 ? "Fake A" : "Fake B");
}

int nvmlDeviceGetUUID(device *d, char *out, unsigned bytes) {
    static const char *const uuid[] = {"GPU-7a00-0", "GPU-7b11-1", "GPU-6c22-2"};
    return put(out, bytes, uuid[d->index]);
}

int nvmlDeviceGetUtilizationRates(device *d, unsigned out[2]) {
    reading += d->index == 0;
    out[0] = is("ramp") ? (unsigned)reading : 90 + d->index;
    out[1] = 40 + d->index;
    return answer();
}

int nvmlDeviceGetMemoryInfo(device *d, unsigned long long out[3]) {
    out[0] = 80ull << 30;
    out[1] = 50ull << 30;
    out[2] = (30ull << 30) + d->index;
    if (is("ramp")) {
        out[0] = (unsigned)reading;
        out[2] = 1000000 - (unsigned)reading;
    }
    return answer();
}

#ifndef FAKE_OLD
int nvmlDeviceGetPowerUsage(device *d, unsigned *out) {
    *out = 350500 + 1000 * d->index;
    return answer();
}

int nvmlDeviceGetTemperature(device *d, int sensor, unsigned *out) {
    *out = 60 + d->index;
    return sensor == 0 ? answer() : BAD_ARGUMENT;
}

int nvmlDeviceGetClockInfo(device *d, int which, unsigned *out) {
    static const unsigned megahertz[] = {1, 1980, 2619}; /* graphics, SM, memory */
    if (which < 0 || which > 2)
        return BAD_ARGUMENT;
    *out = megahertz[which] + d->index;
    return answer();
}

const char *nvmlErrorString(int error) { return error == NOT_LOADED ? "Driver Not Loaded" : "Unknown Error"; }
#endif
