#define _GNU_SOURCE
#include "telemetry/device_stats.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "telemetry/machine.h"
#include "telemetry/nvml.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How the samples of an interval are combined. */
typedef enum merge { MEAN, LARGEST, LAST } merge;

typedef struct field {
    size_t at; /* offset of a double in the sample */
    merge merge;
} field;

static const field machine_field[] = {{offsetof(device_sample, cpu), MEAN},
                                      {offsetof(device_sample, process_cpu), MEAN},
                                      {offsetof(device_sample, process_memory), LARGEST},
                                      {offsetof(device_sample, memory_used), LARGEST},
                                      {offsetof(device_sample, memory_total), LAST}};
static const field gpu_field[] = {
    {offsetof(gpu_sample, utilisation), MEAN},    {offsetof(gpu_sample, memory_utilisation), MEAN},
    {offsetof(gpu_sample, memory_used), LARGEST}, {offsetof(gpu_sample, memory_total), LAST},
    {offsetof(gpu_sample, power), MEAN},          {offsetof(gpu_sample, temperature), MEAN},
    {offsetof(gpu_sample, sm_clock), MEAN},       {offsetof(gpu_sample, memory_clock), MEAN}};

enum {
    MACHINE_FIELDS = sizeof machine_field / sizeof *machine_field,
    GPU_FIELDS = sizeof gpu_field / sizeof *gpu_field
};

/** One value of the interval so far. */
typedef struct tally {
    double value; /* the sum, for MEAN */
    int n;        /* samples that had it */
} tally;

struct device_stats {
    double interval;
    char *visible; /* CUDA_VISIBLE_DEVICES when opened, or NULL; owned */
    pthread_t thread;
    bool started;
    pthread_mutex_t reading; /* guards machine; never taken while holding `lock`, so that device_stats_take never waits
                                for a file */
    machine machine;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;
    bool stop;
    int sample_n; /* since the last take */
    tally machine_tally[MACHINE_FIELDS];
    tally gpu_tally[DEVICE_GPUS][GPU_FIELDS];
    int gpu_n;
    gpu_sample gpu[DEVICE_GPUS]; /* last reading */
};

static void count(tally *t, const void *sample, const field *f, int n) {
    for (int i = 0; i < n; i++) {
        double v = NAN;
        memcpy(&v, (const char *)sample + f[i].at, sizeof v);
        if (isnan(v))
            continue;
        if (t[i].n == 0 || f[i].merge == LAST)
            t[i].value = v;
        else if (f[i].merge == MEAN)
            t[i].value += v;
        else
            t[i].value = fmax(t[i].value, v);
        t[i].n++;
    }
}

static void conclude(void *sample, tally *t, const field *f, int n) {
    for (int i = 0; i < n; i++) {
        double v = t[i].n == 0 ? NAN : f[i].merge == MEAN ? t[i].value / t[i].n : t[i].value;
        memcpy((char *)sample + f[i].at, &v, sizeof v);
        t[i] = (tally){0};
    }
}

/** Waits until `when` (clock_seconds). @return whether to continue */
static bool wait_until(device_stats *d, double when) {
    struct timespec t = {.tv_sec = (time_t)when, .tv_nsec = (long)(1e9 * (when - floor(when)))};
    int error = 0;
    pthread_mutex_lock(&d->lock);
    while (!d->stop && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&d->wake, &d->lock, &t);
    bool go_on = !d->stop;
    pthread_mutex_unlock(&d->lock);
    return go_on;
}

static void read_machine(device_sample *out, device_stats *d) {
    pthread_mutex_lock(&d->reading);
    machine_read(out, &d->machine);
    pthread_mutex_unlock(&d->reading);
}

static void read_gpus(device_sample *out, device_stats *d, const nvml *gpus) {
    out->gpu_n = gpus != NULL ? nvml_count(gpus) : 0;
    for (int i = 0; i < out->gpu_n; i++)
        nvml_read(&out->gpu[i], gpus, i);
    pthread_mutex_lock(&d->lock);
    d->gpu_n = out->gpu_n;
    memcpy(d->gpu, out->gpu, sizeof *d->gpu * (size_t)d->gpu_n);
    pthread_mutex_unlock(&d->lock);
}

static void count_sample(device_stats *d, const device_sample *s) {
    pthread_mutex_lock(&d->lock);
    count(d->machine_tally, s, machine_field, MACHINE_FIELDS);
    for (int i = 0; i < s->gpu_n; i++)
        count(d->gpu_tally[i], &s->gpu[i], gpu_field, GPU_FIELDS);
    d->sample_n++;
    pthread_mutex_unlock(&d->lock);
}

static void *watch(void *context) {
    device_stats *d = context;
    device_sample s = {0};
    nvml *gpus = NULL;
    double next = clock_seconds() + d->interval;
    pthread_setname_np(pthread_self(), "device stats");
    if (nvml_open(&gpus, d->visible) == OK)
        read_gpus(&s, d, gpus); /* so that values exist before the first sample */
    while (wait_until(d, next)) {
        read_gpus(&s, d, gpus);
        read_machine(&s, d);
        count_sample(d, &s);
        double now = clock_seconds();
        next = next + d->interval > now ? next + d->interval : now + d->interval; /* missed samples are skipped */
    }
    nvml_close(gpus);
    return NULL;
}

/** Starts the thread with all signals blocked, since other threads handle them. */
static int start(device_stats *d) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&d->thread, NULL, watch, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    d->started = error == 0;
    return error == 0 ? OK : fail(E_DEVICE, "cannot start the thread for device statistics: %s", strerror(error));
}

int device_stats_open(device_stats **out, double interval) {
    int rc = OK;
    device_stats *d = NULL;
    pthread_condattr_t monotonic;
    TRY(memory_zeroed(&d, 1, sizeof *d));
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->reading, NULL);
    d->interval = fmin(fmax(interval, 0.01), 1e6);
    const char *visible = getenv("CUDA_VISIBLE_DEVICES"); /* read here, because the thread could race with setenv */
    if (visible != NULL)
        TRY(memory_string(&d->visible, visible));
    TRY(machine_init(&d->machine, ""));
    TRY(start(d));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    device_stats_close(d);
    return rc;
}

void device_stats_close(device_stats *d) {
    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    if (d->started)
        pthread_join(d->thread, NULL);
    machine_deinit(&d->machine);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    pthread_mutex_destroy(&d->reading);
    free(d->visible);
    free(d);
}

void device_stats_take(device_sample *out, device_stats *d) {
    *out = (device_sample){.seconds = clock_wall()};
    pthread_mutex_lock(&d->lock);
    bool none = d->sample_n == 0;
    out->gpu_n = d->gpu_n;
    memcpy(out->gpu, d->gpu, sizeof *d->gpu * (size_t)d->gpu_n);
    if (!none) {
        conclude(out, d->machine_tally, machine_field, MACHINE_FIELDS);
        for (int i = 0; i < d->gpu_n; i++)
            conclude(&out->gpu[i], d->gpu_tally[i], gpu_field, GPU_FIELDS);
        d->sample_n = 0;
    }
    pthread_mutex_unlock(&d->lock);
    if (none)
        read_machine(out, d);
}

int device_stats_gpus(gpu_info out[DEVICE_GPUS], const char **why) {
    nvml *gpus = NULL;
    bool found = nvml_open(&gpus, getenv("CUDA_VISIBLE_DEVICES")) == OK;
    int n = found ? nvml_count(gpus) : 0;
    for (int i = 0; i < n; i++)
        nvml_info(&out[i], gpus, i);
    nvml_close(gpus);
    if (why != NULL)
        *why = found ? NULL : status_message();
    return n;
}
