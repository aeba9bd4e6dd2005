#include "cli/cli.h"
#include "cli/json.h"

#include "base/cpu_level.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/dataset.h"
#include "dataset/shards.h"
#include "distributed/affinity.h"
#include "distributed/comm_open.h"
#include "engine/engine.h"
#include "image/decoder.h"
#include "model/model.h"
#include "net/http.h"
#include "report/html.h"
#include "report/plot/plot.h"
#include "telemetry/device_stats.h"
#include "telemetry/web_server.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/** One line of the findings: subject, state, and advice ("" if there is no problem). */
typedef struct finding {
    const char *what;
    char state[256];
    const char *advice;
} finding;

static finding cpu(void) {
    finding f = {.what = "CPU", .advice = ""};
    int cores = affinity_cores();
    cpu_level best = cpu_level_of_machine(), used = cpu_level_get();
    size_t k = (size_t)snprintf(f.state, sizeof f.state, "%d core%s available, CPU level %s", cores,
                                cores == 1 ? "" : "s", cpu_level_name(used));
    if (used < best)
        snprintf(f.state + k, sizeof f.state - k, " (set by LINNET_CPU; this CPU supports %s)", cpu_level_name(best));
    if (best < CPU_AVX2)
        f.advice = "training is slow without AVX2: use a CPU with AVX2";
    return f;
}

static finding engine_state(const char *device, const char *what) {
    finding f = {.what = what, .advice = ""};
    const char *why = engine_unavailable(device);
    snprintf(f.state, sizeof f.state, "%s", why == NULL ? "ready" : why);
    return f;
}

/** Opens the device. @return its name and versions, or why it cannot be used and what to do */
static finding engine_opened(const char *device, const char *what) {
    finding f = engine_state(device, what);
    model *small = NULL;
    engine *e = NULL;
    engine_options o = engine_options_default();
    model_options shape = {.classes = 10};
    int rc = OK;
    if (engine_unavailable(device) != NULL)
        return f;
    TRY(model_create(&small, "resnet18", &shape));
    TRY(engine_create(&e, device, small, &o));
    snprintf(f.state, sizeof f.state, "ready: %s", engine_description(e));
done:
    if (rc != OK)
        snprintf(f.state, sizeof f.state, "%s", status_message());
    engine_destroy(e);
    model_destroy(small);
    return f;
}

static finding precision_state(void) {
    finding f = {.what = "precision", .advice = ""};
    bool faster = engine_bf16_is_faster();
    snprintf(f.state, sizeof f.state, "trainer.precision auto: %s%s%s", faster ? "bf16-mixed" : "32-true",
             engine_has_bf16() && !faster ? ", because this CPU multiplies bf16 more slowly than fp32" : "",
             engine_unavailable("cuda") == NULL ? "; on the GPU 16-mixed" : "");
    return f;
}

static finding memory(void) {
    finding f = {.what = "memory", .state = "unknown: no /proc/meminfo", .advice = ""};
    char line[128], a[32], b[32];
    unsigned long long kib = 0, total = 0, available = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    if (file == NULL)
        return f;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemTotal: %llu", &kib) == 1) /* NOLINT(cert-err34-c): the kernel's own numbers */
            total = kib;
        if (sscanf(line, "MemAvailable: %llu", &kib) == 1) /* NOLINT(cert-err34-c) */
            available = kib;
    }
    fclose(file);
    snprintf(f.state, sizeof f.state, "%s, %s available", text_bytes(a, 1024.0 * (double)total),
             text_bytes(b, 1024.0 * (double)available));
    return f;
}

static finding huge_pages(void) {
    finding f = {.what = "huge pages", .advice = ""};
    unsigned char *bytes = NULL;
    size_t n = 0;
    if (file_read(&bytes, &n, "/sys/kernel/mm/transparent_hugepage/enabled", 0) != OK) {
        snprintf(f.state, sizeof f.state, "not supported by this kernel");
        return f;
    }
    bool never = strstr((const char *)bytes, "[never]") != NULL;
    snprintf(f.state, sizeof f.state, "%s", never ? "disabled" : "available");
    if (never)
        f.advice =
            "for a few percent more speed, run as root: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
    free(bytes);
    return f;
}

static finding disk(void) {
    finding f = {.what = "disk", .advice = ""};
    uint64_t bytes = 0;
    char a[32];
    if (disk_free(&bytes, ".") != OK || bytes == UINT64_MAX)
        return f;
    snprintf(f.state, sizeof f.state, "%s free in this folder", text_bytes(a, (double)bytes));
    if (bytes < 2000000000)
        f.advice = "a ResNet-50 run needs space for up to five checkpoints of 200 MB each: free some space or choose "
                   "another --out";
    return f;
}

static finding limits(void) {
    finding f = {.what = "limits", .advice = ""};
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    snprintf(f.state, sizeof f.state, "%llu open files", (unsigned long long)files.rlim_cur);
    if (files.rlim_cur < 256)
        f.advice = "raise the limit of open files: ulimit -n 1024";
    return f;
}

/** Sets *out to the path at which a shell would find the program. */
static bool find_program(char out[PATH_BYTES], const char *name) {
    const char *at = getenv("PATH");
    while (at != NULL && *at != 0) {
        size_t n = strcspn(at, ":");
        if (path_format(out, "%.*s/%s", (int)n, at, name) == OK && access(out, X_OK) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

/** Checks MPI, which starts the ranks and transfers their data. */
static finding mpi(void) {
    finding f = {.what = "MPI", .advice = ""};
    char mpirun[PATH_BYTES];
    const char *why = comm_unavailable();
    if (why != NULL) {
        snprintf(f.state, sizeof f.state, "%s; not needed for training in one process", why);
    } else if (find_program(mpirun, "mpirun")) {
        snprintf(f.state, sizeof f.state, "ready: --devices starts the ranks with %.200s", mpirun);
    } else {
        snprintf(f.state, sizeof f.state, "ready, but mpirun is not installed; --devices needs mpirun");
        f.advice = "apt install openmpi-bin";
    }
    return f;
}

static finding nccl(void) {
    finding f = {.what = "NCCL", .advice = ""};
    char found[ENGINE_EXCHANGE_TEXT];
    if (engine_exchange_text(found, "cuda") == OK)
        snprintf(f.state, sizeof f.state, "ready: %.240s", found);
    else
        snprintf(f.state, sizeof f.state, "%s; without NCCL, multiple GPUs exchange gradients through host memory",
                 status_message());
    return f;
}

/** The GPUs that the device statistics cover: "2 x NVIDIA H100, 80 GiB, NVIDIA T4, 15 GiB". */
static finding watched_gpus(void) {
    finding f = {.what = "GPUs watched", .advice = ""};
    gpu_info gpu[DEVICE_GPUS];
    const char *why = NULL;
    int n = device_stats_gpus(gpu, &why), same = 1;
    if (n == 0)
        snprintf(f.state, sizeof f.state, "none: %s", why);
    for (int i = 0; i < n; i += same) {
        char times[16] = "", size[32] = "memory unknown";
        for (same = 1; i + same < n && strcmp(gpu[i].name, gpu[i + same].name) == 0; same++) {
        }
        if (same > 1)
            snprintf(times, sizeof times, "%d x ", same);
        if (!isnan(gpu[i].memory_total))
            text_bytes(size, gpu[i].memory_total);
        size_t k = strlen(f.state);
        snprintf(f.state + k, sizeof f.state - k, "%s%s%s, %s", k > 0 ? ", " : "", times,
                 gpu[i].name[0] != 0 ? gpu[i].name : "a GPU", size);
    }
    return f;
}

static finding images(void) {
    finding f = {.what = "images", .advice = ""};
    bool missing = decoder_missing()[0] != 0;
    snprintf(f.state, sizeof f.state, missing ? "built without the libraries for%s" : "every format: " DATASET_SUFFIXES,
             decoder_missing());
    if (missing)
        f.advice = "install libpng-dev, libtiff-dev and libwebp-dev, then build again";
    return f;
}

static finding shards(void) {
    finding f = {.what = "shards", .advice = ""};
    bool missing = shards_missing()[0] != 0;
    snprintf(f.state, sizeof f.state,
             missing ? "built without%s" : ".tar, .tar.gz, .tar.zst, also on http, https and s3 servers",
             shards_missing());
    if (missing)
        f.advice = "install libzstd-dev and libcurl4-openssl-dev, then build again";
    return f;
}

/** A part of linnet that needs a library. why: what is missing, or NULL */
static finding part(const char *what, const char *why, const char *ready) {
    finding f = {.what = what, .advice = ""};
    snprintf(f.state, sizeof f.state, "%s", why == NULL ? ready : why);
    return f;
}

static int examine(finding *f) {
    int n = 0;
    f[n++] = cpu();
    f[n++] = memory();
    f[n++] = huge_pages();
    f[n++] = engine_opened("cpu", "cpu engine");
    f[n++] = engine_state("ref", "ref engine");
    f[n++] = precision_state();
    f[n++] = engine_opened("cuda", "cuda engine");
    f[n++] = watched_gpus();
    f[n++] = mpi();
    f[n++] = nccl();
    f[n++] = images();
    f[n++] = shards();
    f[n++] = part("pictures", plot_unavailable(), "ready");
    f[n++] = part("report.html", html_unavailable(), "ready");
    f[n++] = part("live page", web_unavailable(), "ready: --metrics-port");
    f[n++] = part("MLflow", http_unavailable(), "ready: --mlflow");
    f[n++] = disk();
    f[n++] = limits();
    return n;
}

int cmd_doctor(int argc, char **argv) {
    static const cli_option own[] = {{"--json", "print the result as one JSON object"}, {0}};
    static const cli_manual manual = {.usage = "linnet doctor [--json]", .option = own};
    finding f[24];
    int code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json");
    if (argc != 0)
        return cli_usage(&manual);
    int n = examine(f);
    json_t *o = json ? json_object() : NULL;
    for (int i = 0; i < n; i++) {
        if (json)
            json_object_set_new(
                o, f[i].what, json_pack("{s:o,s:o}", "state", json_text(f[i].state), "advice", json_text(f[i].advice)));
        else
            printf("%-12s %s\n%s%s%s", f[i].what, f[i].state, f[i].advice[0] ? "             -> " : "", f[i].advice,
                   f[i].advice[0] ? "\n" : "");
    }
    int rc = json ? json_print(o) : OK;
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
