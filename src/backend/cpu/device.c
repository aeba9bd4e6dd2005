/* Memory, batches and results of the CPU device. */
#include "backend/cpu/cpu.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool engine_has_bf16(void) { return onednn_level() >= CPU_AVX512_BF16; }

const char *engine_onednn_version(void) { return onednn_version(); }

static const char *unavailable(void) { return NULL; }

static void fill_tables(cpu_device *d) {
    for (int k = 0; k < 3; k++)
        for (int v = 0; v < 256; v++)
            d->table[k][v] = ((float)v / 255.0f - d->options.mean[k]) / d->options.std[k];
    d->kernels->to_bf16(d->table_bf16[0], d->table[0], (size_t)3 * 256);
}

static void close_device(void *device) {
    cpu_device *d = device;
    if (d == NULL)
        return;
    packed_weights_deinit(&d->packed);
    onednn_close(d->onednn);
    free(d->chunk_sum);
    free(d->update);
    free(d->update_sums);
    free(d->trust);
    free(d->label);
    free(d->label_b);
    free(d->mix);
    free(d->image_loss);
    free(d->image_rank);
    free(d->class_weight);
    free(d->kept);
    free(d);
}

static int open_device(void **out, const engine_options *o) {
    int rc = OK;
    cpu_device *d = NULL;
    if (o->precision == PRECISION_16)
        return fail(E_OPTION, "precision 16-mixed needs a GPU: on a CPU use bf16-mixed or 32-true");
    TRY(cpu_level_check());
    if (o->precision == PRECISION_BF16 && onednn_level() < CPU_AVX512) /* oneDNN emulates bf16 there, slowly */
        return fail(E_OPTION, "precision bf16-mixed needs a CPU with AVX-512: use 32-true");
    TRY(memory_zeroed(&d, 1, sizeof *d));
    d->options = *o;
    d->bf16 = o->precision == PRECISION_BF16;
    d->threads = parallel_threads(o->threads);
    d->level = onednn_level();
    d->kernels = kernels_of(d->level);
    TRY(onednn_open(&d->onednn, d->threads));
    snprintf(d->description, sizeof d->description, "%s, %d thread%s", onednn_description(), d->threads,
             d->threads == 1 ? "" : "s");
    fill_tables(d);
    *out = d;
    d = NULL;
done:
    close_device(d);
    return rc;
}

static const char *description(void *device) { return ((const cpu_device *)device)->description; }

/* Allocations of at least half a huge page use huge pages. release gets the same size, so it makes the same choice. */
static const size_t huge_page = (size_t)2 << 20;

static int allocate(void **out, void *device, size_t bytes) {
    (void)device;
    arena a;
    int rc = OK;
    *out = NULL;
    if (bytes < huge_page / 2) {
        size_t rounded = memory_round(bytes > 0 ? bytes : 1);
        *out = aligned_alloc(MEMORY_ALIGN, rounded);
        if (*out == NULL)
            return fail(E_NOMEM, "cannot allocate %zu bytes", bytes);
        memset(*out, 0, rounded);
        return OK;
    }
    TRY(arena_init(&a, bytes));
    *out = a.base; /* now owned by the caller */
done:
    return rc;
}

static void release(void *device, void *memory, size_t bytes) {
    (void)device;
    if (bytes < huge_page / 2) {
        free(memory);
        return;
    }
    arena a = {.base = memory, .bytes = (bytes + huge_page - 1) & ~(huge_page - 1)}; /* as rounded by arena_init */
    arena_deinit(&a);
}

bool cpu_streams(const cpu_device *d, tensor_shape x) {
    const size_t large = (size_t)16 << 20; /* larger than a core's private caches: measured, bench/results */
    return x.c % 16 == 0 && tensor_count(x) * (d->bf16 ? 2 : 4) >= large;
}

static size_t copy_bytes(void *device) { return packed_weights_bytes(&((const cpu_device *)device)->packed); }

static element element_of(void *device, layer_kind producer) {
    return ((const cpu_device *)device)->bf16 && producer != LAYER_LINEAR ? ELEMENT_BF16 : ELEMENT_F32;
}

static element element_of_input(void *device) { return element_of(device, LAYER_CONV); }

static int set_hyper(void *device, const engine_hyper *h) {
    ((cpu_device *)device)->hyper = *h;
    return OK;
}

static int reserve_labels(cpu_device *d, int n) {
    int rc = OK;
    size_t count = (size_t)n;
    if (n > d->label_capacity) {
        TRY(memory_resize(&d->label, count, sizeof *d->label));
        TRY(memory_resize(&d->label_b, count, sizeof *d->label_b));
        TRY(memory_resize(&d->mix, count, sizeof *d->mix));
        TRY(memory_resize(&d->image_loss, count, sizeof *d->image_loss));
        TRY(memory_resize(&d->image_rank, count, sizeof *d->image_rank));
        d->label_capacity = n;
    }
done:
    return rc;
}

typedef struct load_call {
    const cpu_device *device;
    void *x;
    const uint8_t *pixels;
} load_call;

static void load_task(void *context, size_t begin, size_t end) {
    const load_call *t = context;
    const cpu_device *d = t->device;
    const void *table = d->bf16 ? (const void *)d->table_bf16 : (const void *)d->table;
    d->kernels->load(t->x, t->pixels, table, 3 * begin, 3 * end, d->bf16);
}

static int load_batch(void *device, void *x, int channels, const batch *b) {
    (void)channels;
    cpu_device *d = device;
    int rc = OK;
    size_t n = (size_t)b->n;
    load_call t = {d, x, b->pixels};
    TRY(reserve_labels(d, b->n));
    d->label_n = b->n;
    memcpy(d->label, b->label, n * sizeof *d->label);
    memcpy(d->label_b, b->label_b, n * sizeof *d->label_b);
    memcpy(d->mix, b->mix, n * sizeof *d->mix);
    parallel_for(d->threads, n * (size_t)b->h * (size_t)b->w, SIZE_MAX, LOOP_FORWARD, load_task, &t);
done:
    return rc;
}

static int load_drop_path(void *device, const uint8_t *kept, int blocks, int images) {
    cpu_device *d = device;
    size_t n = (size_t)blocks * (size_t)images;
    int rc = OK;
    TRY(memory_resize(&d->kept, n, sizeof *d->kept));
    memcpy(d->kept, kept, n);
    d->kept_images = images;
done:
    return rc;
}

static int result(void *device, engine_result_data *out) {
    *out = ((const cpu_device *)device)->result;
    return OK;
}

static int reset_result(void *device) {
    engine_result_data *r = &((cpu_device *)device)->result;
    *r = (engine_result_data){.grad_norm = r->grad_norm, .finite = r->finite};
    return OK;
}

static int copy(void *device, void *out, const void *in, size_t bytes) {
    (void)device;
    memcpy(out, in, bytes);
    return OK;
}

static const device_collective_ops collective = {.compress = cpu_compress_gradients,
                                                 .decompress = cpu_decompress_gradients};

const device_ops device_cpu = {
    .name = "cpu",
    .master = ELEMENT_F32,
    .unavailable = unavailable,
    .open = open_device,
    .close = close_device,
    .description = description,
    .allocate = allocate,
    .release = release,
    .copy_bytes = copy_bytes,
    .element_of = element_of,
    .element_of_input = element_of_input,
    .layer = {.conv = {.plan = cpu_conv_plan,
                       .forward = cpu_conv_forward,
                       .backward = cpu_conv_backward,
                       .destroy = cpu_conv_destroy,
                       .algorithm = cpu_conv_algorithm},
              .linear = {.plan = cpu_linear_plan,
                         .forward = cpu_linear_forward,
                         .backward = cpu_linear_backward,
                         .destroy = cpu_conv_destroy,
                         .algorithm = cpu_conv_algorithm},
              .bn = {.plan = cpu_bn_plan,
                     .forward = cpu_bn_forward,
                     .backward = cpu_bn_backward,
                     .recompute = cpu_bn_recompute},
              .maxpool = {.plan = cpu_maxpool_plan, .forward = cpu_maxpool_forward, .backward = cpu_maxpool_backward},
              .avgpool = {.plan = cpu_avgpool_plan, .forward = cpu_avgpool_forward, .backward = cpu_avgpool_backward},
              .shortcut = {.plan = cpu_shortcut_plan,
                           .forward = cpu_shortcut_forward,
                           .backward = cpu_shortcut_backward}},
    .load_batch = load_batch,
    .load_drop_path = load_drop_path,
    .loss = cpu_loss,
    .set_class_weights = cpu_set_class_weights,
    .optimizer = {.set_hyper = set_hyper, .unscale = cpu_unscale, .update = cpu_update},
    .collective = &collective,
    .result = result,
    .reset_result = reset_result,
    .peaks = cpu_peaks,
    .download = copy,
    .upload = copy,
};
