/* Writes device.csv: the use of CPU, memory and GPUs, sampled by a background thread. */
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "training/run/run_logger_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMON = 6, PER_GPU = 8, COLUMNS = COMMON + PER_GPU * DEVICE_GPUS, NAME_BYTES = 40 };

static const char *const common_name[COMMON] = {"seconds",        "cpu",         "process_cpu",
                                                "process_memory", "memory_used", "memory_total"};
static const char *const gpu_name[PER_GPU] = {"utilisation", "memory_utilisation", "memory_used", "memory_total",
                                              "power",       "temperature",        "sm_clock",    "memory_clock"};

static void column_name(char out[NAME_BYTES], int i) {
    if (i < COMMON)
        snprintf(out, NAME_BYTES, "%s", common_name[i]);
    else
        snprintf(out, NAME_BYTES, "gpu%d_%s", (i - COMMON) / PER_GPU, gpu_name[(i - COMMON) % PER_GPU]);
}

static void values(double out[COLUMNS], const device_sample *s, double seconds) {
    const double common[COMMON] = {seconds, s->cpu, s->process_cpu, s->process_memory, s->memory_used, s->memory_total};
    for (int i = 0; i < COLUMNS; i++)
        out[i] = NAN;
    memcpy(out, common, sizeof common);
    for (int g = 0; g < s->gpu_n; g++) {
        const gpu_sample *x = &s->gpu[g];
        const double gpu[PER_GPU] = {x->utilisation, x->memory_utilisation, x->memory_used, x->memory_total,
                                     x->power,       x->temperature,        x->sm_clock,    x->memory_clock};
        memcpy(out + COMMON + PER_GPU * g, gpu, sizeof gpu);
    }
}

/** Opens device.csv. A file from a machine with other GPUs is renamed. */
static int open_csv(run_logger *b, const char *path, const char *const *name, int n) {
    char aside[PATH_BYTES];
    int rc = csv_open(&b->device, path, name, n);
    if (rc != E_FORMAT)
        return rc;
    for (int i = 1;; i++) {
        TRY(path_format(aside, "%s/device-%d.csv", b->folder, i));
        if (!file_exists(aside))
            break;
    }
    if (rename(path, aside) != 0)
        return rc;
    log_info("%s was written on a machine with different GPUs: renamed to %s", path, aside);
    rc = csv_open(&b->device, path, name, n);
done:
    return rc;
}

int run_logger_watch_device(run_logger *b, double seconds, int64_t global_step) {
    gpu_info gpu[DEVICE_GPUS];
    const char *why = NULL, *name[COLUMNS];
    char path[PATH_BYTES], (*names)[NAME_BYTES] = NULL;
    int rc = OK, n = COMMON + PER_GPU * device_stats_gpus(gpu, &why);
    TRY(memory_zeroed(&names, (size_t)n, sizeof *names));
    for (int i = 0; i < n; i++) {
        column_name(names[i], i);
        name[i] = names[i];
    }
    TRY(path_join(path, b->folder, "device.csv"));
    TRY(csv_trim(path, global_step - 1, false, NULL));
    TRY(open_csv(b, path, name, n));
    TRY(device_stats_open(&b->stats, seconds < 1 ? seconds : 1));
    b->device_every = seconds;
    b->device_next = clock_seconds() + seconds;
done:
    free(names);
    return rc;
}

static int put_row(run_logger *b, const train_state *t) {
    device_sample s;
    double value[COLUMNS];
    char present[COLUMNS], tag[NAME_BYTES + 8], name[NAME_BYTES];
    double clock = clock_seconds();
    int rc = OK;
    device_stats_take(&s, b->stats);
    values(value, &s, b->seconds_before + clock - b->opened);
    for (int i = 0; i < COLUMNS; i++)
        present[i] = isnan(value[i]) ? 0 : 1;
    TRY(csv_row(b->device, t->epoch, t->global_step - 1, value, present));
    for (int i = 1; i < COLUMNS; i++) {
        if (!present[i])
            continue;
        column_name(name, i);
        snprintf(tag, sizeof tag, "device/%s", name);
        TRY(run_logger_scalar(b, tag, t->global_step - 1, value[i]));
    }
done:
    mlflow_row(b->mlflow, t->global_step - 1);
    return rc;
}

void run_logger_device(run_logger *b, const train_state *t, bool now) {
    if (b->folder == NULL)
        return;
    double clock = clock_seconds();
    if (b->stats == NULL || (!now && clock < b->device_next))
        return;
    b->device_next = clock + b->device_every;
    int rc = put_row(b, t);
    if (rc == OK || rc == E_FULL) /* E_FULL: the row is kept and written later */
        return;
    log_warn("device statistics are no longer recorded: %s", status_message());
    device_stats_close(b->stats);
    b->stats = NULL;
}
