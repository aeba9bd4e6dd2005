/* Memory, batches and results of the reference device. */
#include "backend/ref/ref.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

static int open_device(void **out, const engine_options *o) {
    ref_device *d = NULL;
    int rc = OK;
    TRY(memory_zeroed(&d, 1, sizeof *d));
    d->options = *o;
    *out = d;
done:
    return rc;
}

static void close_device(void *device) {
    ref_device *d = device;
    free(d->label);
    free(d->label_b);
    free(d->mix);
    free(d->class_weight);
    free(d->kept);
    free(d);
}

static const char *description(void *device) {
    (void)device;
    return "reference loops in double precision, 1 thread";
}

/** calloc, so that untouched pages use no memory. The address to free is stored before the aligned block. */
static int allocate(void **out, void *device, size_t bytes) {
    (void)device;
    unsigned char *raw = bytes <= SIZE_MAX - 2 * MEMORY_ALIGN ? calloc(bytes + 2 * MEMORY_ALIGN, 1) : NULL;
    if (raw == NULL)
        return fail(E_NOMEM, "cannot allocate %zu bytes", bytes);
    unsigned char *block = raw + 2 * MEMORY_ALIGN - (uintptr_t)raw % MEMORY_ALIGN;
    memcpy(block - sizeof raw, &raw, sizeof raw);
    *out = block;
    return OK;
}

static void release(void *device, void *memory, size_t bytes) {
    (void)device, (void)bytes;
    void *raw = NULL;
    memcpy(&raw, (unsigned char *)memory - sizeof raw, sizeof raw);
    free(raw);
}

static element element_of(void *device, layer_kind producer) {
    (void)device, (void)producer;
    return ELEMENT_F64;
}

static element element_of_input(void *device) {
    (void)device;
    return ELEMENT_F64;
}

static int set_hyper(void *device, const engine_hyper *h) {
    ((ref_device *)device)->hyper = *h;
    return OK;
}

static int reserve_labels(ref_device *d, int n) {
    int rc = OK;
    if (n > d->label_capacity) {
        TRY(memory_resize(&d->label, (size_t)n, sizeof *d->label));
        TRY(memory_resize(&d->label_b, (size_t)n, sizeof *d->label_b));
        TRY(memory_resize(&d->mix, (size_t)n, sizeof *d->mix));
        d->label_capacity = n;
    }
done:
    return rc;
}

static int load_batch(void *device, void *x, int channels, const batch *b) {
    (void)channels;
    ref_device *d = device;
    double *out = x;
    int rc = OK;
    size_t count = (size_t)b->n * (size_t)b->h * (size_t)b->w * 3;
    TRY(reserve_labels(d, b->n));
    d->label_n = b->n;
    for (int i = 0; i < b->n; i++) {
        d->label[i] = b->label[i];
        d->label_b[i] = b->label_b[i];
        d->mix[i] = b->mix[i];
    }
    for (size_t i = 0; i < count; i++)
        out[i] = (b->pixels[i] / 255.0 - (double)d->options.mean[i % 3]) / (double)d->options.std[i % 3];
done:
    return rc;
}

static int load_drop_path(void *device, const uint8_t *kept, int blocks, int images) {
    ref_device *d = device;
    size_t n = (size_t)blocks * (size_t)images;
    int rc = OK;
    TRY(memory_resize(&d->kept, n, sizeof *d->kept));
    memcpy(d->kept, kept, n);
    d->kept_images = images;
done:
    return rc;
}

static int loss(void *device, const device_loss *l) {
    const ref_device *d = device;
    if (d->label_n != l->n)
        return fail(E_SHAPE, "labels of %d images are loaded, but the plan has %d", d->label_n, l->n);
    return ref_loss(device, l);
}

static int result(void *device, engine_result_data *out) {
    *out = ((const ref_device *)device)->result;
    return OK;
}

static int reset_result(void *device) {
    engine_result_data *r = &((ref_device *)device)->result;
    *r = (engine_result_data){.grad_norm = r->grad_norm, .finite = r->finite};
    return OK;
}

static int copy(void *device, void *out, const void *in, size_t bytes) {
    (void)device;
    memcpy(out, in, bytes);
    return OK;
}

const device_ops device_ref = {
    .name = "ref",
    .master = ELEMENT_F64,
    .open = open_device,
    .close = close_device,
    .description = description,
    .allocate = allocate,
    .release = release,
    .element_of = element_of,
    .element_of_input = element_of_input,
    .layer = {.conv = {.plan = ref_conv_plan, .forward = ref_conv_forward, .backward = ref_conv_backward},
              .linear = {.plan = ref_linear_plan, .forward = ref_linear_forward, .backward = ref_linear_backward},
              .bn = {.plan = ref_bn_plan,
                     .forward = ref_bn_forward,
                     .backward = ref_bn_backward,
                     .recompute = ref_bn_recompute},
              .maxpool = {.plan = ref_maxpool_plan, .forward = ref_maxpool_forward, .backward = ref_maxpool_backward},
              .avgpool = {.plan = ref_avgpool_plan, .forward = ref_avgpool_forward, .backward = ref_avgpool_backward},
              .shortcut = {.plan = ref_shortcut_plan,
                           .forward = ref_shortcut_forward,
                           .backward = ref_shortcut_backward}},
    .load_batch = load_batch,
    .load_drop_path = load_drop_path,
    .loss = loss,
    .set_class_weights = ref_set_class_weights,
    .optimizer = {.set_hyper = set_hyper, .unscale = ref_unscale, .update = ref_update},
    .result = result,
    .reset_result = reset_result,
    .download = copy,
    .upload = copy,
};
