#define _GNU_SOURCE
#include "telemetry/nvml.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libnvidia-ml.so.1"

/* Names and values are NVML's (nvml.h). Every function returns 0 or an error code; 3 is "not supported by this GPU". */
enum { NVML_TEMPERATURE_GPU = 0, NVML_CLOCK_SM = 1, NVML_CLOCK_MEM = 2 };

typedef struct nvml_device *nvml_handle; /* opaque */

typedef struct nvml_utilisation {
    unsigned gpu, memory; /* percent */
} nvml_utilisation;

typedef struct nvml_memory {
    unsigned long long total, available, used; /* bytes */
} nvml_memory;

struct nvml {
    void *library;
    bool started;
    int (*init)(void);
    int (*shutdown)(void);
    int (*count)(unsigned *n);
    int (*by_index)(unsigned index, nvml_handle *out);
    /* below: NULL if the library does not have the function */
    const char *(*error_text)(int error);
    int (*name)(nvml_handle, char *out, unsigned bytes);
    int (*uuid)(nvml_handle, char *out, unsigned bytes);
    int (*utilisation)(nvml_handle, nvml_utilisation *out);
    int (*memory)(nvml_handle, nvml_memory *out);
    int (*power)(nvml_handle, unsigned *milliwatts);
    int (*temperature)(nvml_handle, int sensor, unsigned *degrees);
    int (*clock)(nvml_handle, int which, unsigned *megahertz);
    int device_n;
    nvml_handle device[DEVICE_GPUS];
};

static const struct {
    const char *name;
    size_t at;
    bool needed;
} symbol[] = {
    {"nvmlInit_v2", offsetof(nvml, init), true},
    {"nvmlShutdown", offsetof(nvml, shutdown), true},
    {"nvmlDeviceGetCount_v2", offsetof(nvml, count), true},
    {"nvmlDeviceGetHandleByIndex_v2", offsetof(nvml, by_index), true},
    {"nvmlErrorString", offsetof(nvml, error_text), false},
    {"nvmlDeviceGetName", offsetof(nvml, name), false},
    {"nvmlDeviceGetUUID", offsetof(nvml, uuid), false},
    {"nvmlDeviceGetUtilizationRates", offsetof(nvml, utilisation), false},
    {"nvmlDeviceGetMemoryInfo", offsetof(nvml, memory), false},
    {"nvmlDeviceGetPowerUsage", offsetof(nvml, power), false},
    {"nvmlDeviceGetTemperature", offsetof(nvml, temperature), false},
    {"nvmlDeviceGetClockInfo", offsetof(nvml, clock), false},
};

static int load(nvml *n) {
    n->library =
        dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE); /* it is safer not to unmap a driver's library */
    if (n->library == NULL) {
        const char *error = dlerror();
        if (error == NULL || strstr(error, "cannot open shared object file") != NULL)
            return fail(E_UNSUPPORTED, LIBRARY " not found: no NVIDIA driver is installed");
        return fail(E_UNSUPPORTED, "cannot load %s", error);
    }
    for (size_t i = 0; i < sizeof symbol / sizeof *symbol; i++) {
        void *function = dlsym(n->library, symbol[i].name);
        if (function == NULL && symbol[i].needed)
            return fail(E_UNSUPPORTED, LIBRARY " has no %s: the NVIDIA driver is too old", symbol[i].name);
        memcpy((char *)n + symbol[i].at, &function, sizeof function);
    }
    return OK;
}

static int fail_nvml(const nvml *n, int error, const char *what) {
    const char *meaning = n->error_text != NULL ? n->error_text(error) : NULL;
    return fail(E_UNSUPPORTED, "%s: NVML error %d (%s)", what, error, meaning != NULL ? meaning : "unknown error");
}

static void watch(nvml *n, nvml_handle device) {
    for (int i = 0; i < n->device_n; i++)
        if (n->device[i] == device)
            return;
    if (n->device_n < DEVICE_GPUS)
        n->device[n->device_n++] = device;
}

static bool watch_index(nvml *n, long long index, unsigned count) {
    nvml_handle device = NULL;
    if (index < 0 || index >= count || n->by_index((unsigned)index, &device) != 0)
        return false;
    watch(n, device);
    return true;
}

static bool watch_uuid(nvml *n, const char *begin, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        nvml_handle device = NULL;
        char uuid[96] = "";
        if (n->uuid == NULL || n->by_index(i, &device) != 0 || n->uuid(device, uuid, sizeof uuid) != 0 ||
            strncmp(uuid, begin, strlen(begin)) != 0)
            continue;
        watch(n, device);
        return true;
    }
    return false;
}

/** Selects the GPUs of a list such as "0,2" or "GPU-8f3a", which ends at the first entry that matches no GPU. */
static void watch_listed(nvml *n, const char *list, unsigned count) {
    bool more = true;
    while (more) {
        char entry[128];
        long long index = 0;
        list += strspn(list, " \t");
        size_t length = strcspn(list, ", \t"), rest = strcspn(list, ",");
        more = list[rest] == ',';
        if (length == 0 || length >= sizeof entry)
            return;
        memcpy(entry, list, length);
        entry[length] = 0;
        list += rest + 1;
        bool known = strncmp(entry, "GPU-", 4) == 0 ? watch_uuid(n, entry, count)
                                                    : text_to_int(&index, entry) && watch_index(n, index, count);
        if (!known)
            return;
    }
}

static int choose(nvml *n, const char *visible) {
    unsigned count = 0;
    int error = n->count(&count);
    if (error != 0)
        return fail_nvml(n, error, "cannot count the GPUs");
    if (count == 0)
        return fail(E_UNSUPPORTED, "the NVIDIA driver finds no GPU (a container needs --gpus all)");
    if (visible == NULL)
        for (unsigned i = 0; i < count && i < DEVICE_GPUS; i++)
            watch_index(n, i, count); /* a GPU that the driver refuses is skipped */
    else
        watch_listed(n, visible, count);
    if (n->device_n > 0)
        return OK;
    return visible == NULL ? fail(E_UNSUPPORTED,
                                  "the NVIDIA driver denies access to the GPUs: check the permissions of /dev/nvidia*")
                           : fail(E_UNSUPPORTED, "CUDA_VISIBLE_DEVICES=%.100s matches no GPU", visible);
}

int nvml_open(nvml **out, const char *visible) {
    int rc = OK;
    nvml *n = NULL;
    TRY(memory_zeroed(&n, 1, sizeof *n));
    TRY(load(n));
    int error = n->init();
    if (error != 0) {
        rc = fail_nvml(n, error, "the NVIDIA driver does not respond");
        goto done;
    }
    n->started = true;
    TRY(choose(n, visible));
    *out = n;
    n = NULL; /* now owned by the caller */
done:
    nvml_close(n);
    return rc;
}

void nvml_close(nvml *n) {
    if (n == NULL)
        return;
    if (n->started)
        n->shutdown();
    if (n->library != NULL)
        dlclose(n->library);
    free(n);
}

int nvml_count(const nvml *n) { return n->device_n; }

void nvml_info(gpu_info *out, const nvml *n, int gpu) {
    nvml_handle device = n->device[gpu];
    nvml_memory memory = {0};
    *out = (gpu_info){.memory_total = NAN};
    if (n->name == NULL || n->name(device, out->name, sizeof out->name) != 0)
        out->name[0] = 0;
    if (n->uuid == NULL || n->uuid(device, out->uuid, sizeof out->uuid) != 0)
        out->uuid[0] = 0;
    if (n->memory != NULL && n->memory(device, &memory) == 0)
        out->memory_total = (double)memory.total;
}

void nvml_read(gpu_sample *out, const nvml *n, int gpu) {
    nvml_handle device = n->device[gpu];
    nvml_utilisation share = {0};
    nvml_memory memory = {0};
    unsigned v = 0;
    *out = (gpu_sample){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    if (n->utilisation != NULL && n->utilisation(device, &share) == 0) {
        out->utilisation = share.gpu;
        out->memory_utilisation = share.memory;
    }
    if (n->memory != NULL && n->memory(device, &memory) == 0) {
        out->memory_used = (double)memory.used;
        out->memory_total = (double)memory.total;
    }
    if (n->power != NULL && n->power(device, &v) == 0)
        out->power = 1e-3 * v;
    if (n->temperature != NULL && n->temperature(device, NVML_TEMPERATURE_GPU, &v) == 0)
        out->temperature = v;
    if (n->clock != NULL && n->clock(device, NVML_CLOCK_SM, &v) == 0)
        out->sm_clock = v;
    if (n->clock != NULL && n->clock(device, NVML_CLOCK_MEM, &v) == 0)
        out->memory_clock = v;
}
