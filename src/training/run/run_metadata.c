#define _GNU_SOURCE
#include "training/run/run_metadata.h"

#include "base/status.h"
#include "base/text.h"
#include "dataset/splits/dataset_checks.h"
#include "telemetry/device_stats.h"
#include "training/run/expectation.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static void add(run_metadata *f, const char *name, const char *format, ...) {
    va_list arguments;
    assert(f->n < (int)(sizeof f->list / sizeof *f->list));
    metadata_entry *one = &f->list[f->n++];
    one->name = name;
    va_start(arguments, format);
    vsnprintf(one->value, sizeof one->value, format, arguments);
    va_end(arguments);
}

void metadata_of_run(run_metadata *out, const run_context *s, const engine_memory *memory) {
    const config *c = s->config;
    char a[32], b[32], f[32], t[32], lr[32] = "from the LR finder";
    text absent = {0};
    int absent_n = 0;
    *out = (run_metadata){0};
    if (s->base_lr > 0)
        snprintf(lr, sizeof lr, "%.4g", s->base_lr);
    add(out, "model", "%s, %s parameters, %.2f GMAC per image at %d px, %d classes", s->model->arch,
        text_count(a, s->model->weight_n), model_macs(s->model, c->data.image_size, c->data.image_size) / 1e9,
        c->data.image_size, s->model->classes);
    if (dataset_absent_classes(&absent, &absent_n, s->val) != OK || s->val->image_n == 0)
        absent_n = 0;
    add(out, "data", "%s: %s training, %s validation images%s%s", run_context_data_name(c),
        text_count(a, (unsigned long long)s->train->image_n), text_count(b, (unsigned long long)s->val->image_n),
        absent_n > 0 ? ", no validation images of " : "", absent_n > 0 ? text_string(&absent) : "");
    text_deinit(&absent);
    add(out, "engine", "%s; %s; %d loader thread%s%s", engine_description(s->engine), precision_name(s->precision),
        s->workers.n, s->workers.n == 1 ? "" : "s", s->workers.automatic ? " (auto)" : "");
    if (s->model->frozen_layer_n > 0)
        add(out, "frozen", "up to %s; %s trainable parameters", c->model.freeze,
            text_count(a, s->model->weight_n - s->model->frozen_n));
    add(out, "training", "%d epochs of %lld steps, batch %d%s, base LR %s, schedule %s, clip norm %g",
        c->trainer.max_epochs, (long long)s->steps_per_epoch, c->data.batch_size * s->micro_batches_per_step,
        s->micro_batch_count > 1 ? " (accumulated)" : "", lr, c->schedule.name, c->trainer.clip_norm);
    size_t finder = s->base_lr > 0 ? 0 : engine_state_bytes(s->engine);
    size_t total = engine_memory_total(memory) + finder;
    add(out, "memory", "%s: %s parameters and state, %s activations%s%s%s", text_bytes(t, (double)total),
        text_bytes(a, (double)memory->parameters), text_bytes(b, (double)memory->activations), finder > 0 ? ", " : "",
        finder > 0 ? text_bytes(f, (double)finder) : "", finder > 0 ? " for the LR finder" : "");
    if (expectation_given(c))
        add(out, "expected", "%s", expectation_text((char[EXPECTATION_BYTES]){0}, c));
}

/** The "model name" of the first core. */
static void cpu_model(char *out, size_t n) {
    char line[512];
    FILE *f = fopen("/proc/cpuinfo", "re");
    snprintf(out, n, "unknown");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        colon += strspn(colon, ": \t");
        snprintf(out, n, "%.*s", (int)strcspn(colon, "\n"), colon);
        break;
    }
    if (f != NULL)
        fclose(f);
}

void metadata_of_machine(run_metadata *out) {
    struct utsname system;
    gpu_info gpu[DEVICE_GPUS];
    const char *why = NULL;
    char cpu[256], bytes[32];
    *out = (run_metadata){0};
    cpu_model(cpu, sizeof cpu);
    if (uname(&system) == 0) {
        add(out, "host", "%s", system.nodename);
        add(out, "system", "%s %s, %s", system.sysname, system.release, system.machine);
    }
    add(out, "CPU", "%s, %ld cores", cpu, sysconf(_SC_NPROCESSORS_ONLN));
    add(out, "memory", "%s", text_bytes(bytes, (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE)));
    int gpus = device_stats_gpus(gpu, &why);
    if (gpus == 0)
        add(out, "GPU", "none: %s", why != NULL ? why : "no device");
    for (int i = 0; i < gpus && i < 8; i++)
        add(out, "GPU", "%s, %s", gpu[i].name[0] != 0 ? gpu[i].name : "unnamed",
            isnan(gpu[i].memory_total) ? "unknown memory" : text_bytes(bytes, gpu[i].memory_total));
}
