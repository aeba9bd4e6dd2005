/* The GPU: opening, memory, copies, and the table of device operations. */
#include "backend/cuda/bn_join.h"
#include "backend/cuda/cudnn_conv.h"
#include "backend/cuda/nccl_allreduce.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static CUdeviceptr address(const void *memory) { return (CUdeviceptr)(uintptr_t)memory; }

static const char *unavailable(void) {
    static _Thread_local char why[512];
    const cuda_driver *driver = NULL;
    const cudnn_library *cudnn = NULL;
    if (driver_open(&driver) == OK && cudnn_open(&cudnn) == OK)
        return NULL;
    snprintf(why, sizeof why, "%s", status_message());
    return why;
}

int gpu_wait(void *device) {
    const cuda_device *d = device;
    return DRIVER(d->driver, "waiting for the GPU", stream_wait, d->stream);
}

int gpu_allocate(void **out, void *device, size_t bytes) {
    cuda_device *d = device;
    CUdeviceptr memory = 0;
    char size[32];
    int rc = OK;
    *out = NULL;
    rc = DRIVER(d->driver, "allocating GPU memory", memory_allocate, &memory, bytes > 0 ? bytes : 1);
    if (rc != OK)
        return fail_context(rc, "%s", text_bytes(size, (double)bytes));
    rc = DRIVER(d->driver, "clearing GPU memory", memory_set, memory, 0, bytes, d->stream);
    if (rc != OK) {
        d->driver->memory_free(memory);
        return rc;
    }
    *out = gpu_pointer(memory);
    return OK;
}

void gpu_release(void *device, void *memory, size_t bytes) {
    const cuda_device *d = device;
    (void)bytes;
    if (memory != NULL) {
        d->driver->stream_wait(d->stream); /* queued work may use the memory */
        d->driver->memory_free(address(memory));
    }
}

static void close_device(void *device) {
    cuda_device *d = device;
    if (d == NULL)
        return;
    if (d->stream != NULL)
        gpu_wait(d);
    nccl_comm_close(d->exchange);
    cuda_upload_deinit(d);
    cuda_time_deinit(d);
    for (int i = 0; i < d->convolution_n; i++)
        convolution_destroy(d, d->convolution[i]);
    free(d->convolution);
    autotune_cache_save(&d->autotune);
    autotune_cache_deinit(&d->autotune);
    if (d->handle != NULL)
        d->cudnn->destroy(d->handle);
    gpu_release(d, d->state, sizeof *d->state);
    gpu_release(d, d->copy, d->copy_bytes);
    gpu_release(d, d->range, (size_t)d->range_n * sizeof *d->range);
    gpu_release(d, d->part, 0);
    gpu_release(d, d->class_weight, 0);
    gpu_release(d, d->overflow, 0);
    gpu_release(d, d->chunk, 0);
    gpu_release(d, d->chunk_sums, 0);
    gpu_release(d, d->trust, 0);
    bn_join_deinit(d);
    for (int i = 0; i < RESULT_ENTRIES; i++) {
        if (d->result[i] != NULL)
            d->driver->pinned_free(d->result[i]);
        if (d->posted[i] != NULL)
            d->driver->event_destroy(d->posted[i]);
    }
    kernels_unload(&d->kernels);
    if (d->copies != NULL)
        d->driver->stream_destroy(d->copies);
    if (d->stream != NULL)
        d->driver->stream_destroy(d->stream);
    if (d->context != NULL)
        d->driver->context_release(d->gpu);
    free(d);
}

static int choose_gpu(int *index, CUdevice *gpu, const cuda_driver *driver, const engine_options *o) {
    int n = 0, rc = OK;
    *index = o->device_index;
    TRY(DRIVER(driver, "counting the GPUs", device_count, &n));
    if (o->comm != NULL && n > 0) /* the ranks of a host use its GPUs round-robin */
        *index = o->comm->local_rank % n;
    if (*index < 0 || *index >= n) {
        rc = fail(E_OPTION, "GPU %d does not exist: visible GPUs: %d, numbered from 0 (trainer.device_index)", *index,
                  n);
        goto done;
    }
    TRY(DRIVER(driver, "opening the GPU", device_get, gpu, *index));
done:
    return rc;
}

static int pci_address(char out[ENGINE_PCI_ADDRESS], const engine_options *o) {
    const cuda_driver *driver = NULL;
    CUdevice gpu = 0;
    int index = 0, domain = 0, bus = 0, slot = 0, rc = OK;
    TRY(driver_open(&driver));
    TRY(choose_gpu(&index, &gpu, driver, o));
    TRY(DRIVER(driver, "querying the GPU", device_attribute, &domain, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, gpu));
    TRY(DRIVER(driver, "querying the GPU", device_attribute, &bus, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, gpu));
    TRY(DRIVER(driver, "querying the GPU", device_attribute, &slot, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, gpu));
    snprintf(out, ENGINE_PCI_ADDRESS, "%04x:%02x:%02x.0", domain, bus, slot); /* a GPU is PCI function 0 */
done:
    return rc;
}

static int find_gpu(cuda_device *d) {
    int rc = OK;
    TRY(choose_gpu(&d->index, &d->gpu, d->driver, &d->options));
    TRY(DRIVER(d->driver, "querying the GPU", device_attribute, &d->major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
               d->gpu));
    TRY(DRIVER(d->driver, "querying the GPU", device_attribute, &d->minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
               d->gpu));
    int capability = 10 * d->major + d->minor;
    if (capability < 75)
        rc = fail(E_DEVICE, "GPU %d has compute capability %d.%d; 7.5 or later is required", d->index, d->major,
                  d->minor);
    else if (capability < 80 && d->options.precision == PRECISION_BF16)
        rc = fail(E_OPTION, "precision bf16-mixed needs a GPU of compute capability 8.0 or later: use 16-mixed");
done:
    return rc;
}

static int describe(cuda_device *d) {
    char name[128] = "", machine[256], memory[32];
    int version = 0, rc = OK;
    size_t cudnn = d->cudnn->version(), left = 0, total = 0;
    TRY(DRIVER(d->driver, "querying the GPU", device_name, name, sizeof name, d->gpu));
    TRY(DRIVER(d->driver, "querying the driver", driver_version, &version));
    TRY(DRIVER(d->driver, "querying GPU memory", memory_info, &left, &total));
    snprintf(d->description, sizeof d->description, "%s (%d.%d), %s, cuDNN %zu.%zu.%zu, CUDA driver %d.%d", name,
             d->major, d->minor, text_bytes(memory, (double)total), cudnn / 10000, cudnn / 100 % 100, cudnn % 100,
             version / 1000, version % 1000 / 10);
    snprintf(machine, sizeof machine, "%s-%d.%d-%zu-%d%s", name, d->major, d->minor, cudnn, version,
             d->options.deterministic ? "" : "-any");
    TRY(autotune_cache_open(&d->autotune, machine));
done:
    return rc;
}

static int make_stores(cuda_device *d) {
    int rc = OK;
    TRY(gpu_allocate((void **)&d->state, d, sizeof *d->state));
    for (int i = 0; i < RESULT_ENTRIES; i++) {
        TRY(DRIVER(d->driver, "allocating pinned memory", pinned_allocate, (void **)&d->result[i], sizeof *d->result[i],
                   0));
        TRY(DRIVER(d->driver, "creating an event", event_create, &d->posted[i], CU_EVENT_DISABLE_TIMING));
    }
done:
    return rc;
}

static int open_device(void **out, const engine_options *o) {
    static const element types[] = {
        [PRECISION_32] = ELEMENT_F32, [PRECISION_BF16] = ELEMENT_BF16, [PRECISION_16] = ELEMENT_F16};
    cuda_device *d = NULL;
    int rc = OK;
    TRY(memory_zeroed(&d, 1, sizeof *d));
    d->options = *o;
    d->type = types[o->precision];
    TRY(driver_open(&d->driver));
    TRY(cudnn_open(&d->cudnn));
    TRY(find_gpu(d));
    TRY(DRIVER(d->driver, "opening the GPU", context_retain, &d->context, d->gpu));
    TRY(DRIVER(d->driver, "opening the GPU", context_use, d->context));
    TRY(DRIVER(d->driver, "creating a stream", stream_create, &d->stream, CU_STREAM_NON_BLOCKING));
    TRY(DRIVER(d->driver, "creating a stream", stream_create, &d->copies, CU_STREAM_NON_BLOCKING));
    TRY(kernels_load(&d->kernels, d->driver));
    TRY(CUDNN(d->cudnn, "initialising cuDNN", create, &d->handle));
    TRY(CUDNN(d->cudnn, "initialising cuDNN", set_stream, d->handle, (cudaStream_t)d->stream));
    TRY(describe(d));
    TRY(make_stores(d));
    TRY(nccl_comm_open(&d->exchange, d));
    *out = d;
    d = NULL;
done:
    close_device(d);
    return rc;
}

static const char *description(void *device) { return ((const cuda_device *)device)->description; }
static size_t copy_bytes(void *device) { return ((const cuda_device *)device)->copy_bytes; }
static void *queue(void *device) { return ((const cuda_device *)device)->stream; }

static comm *exchange_of(void *device) { return ((const cuda_device *)device)->exchange; }

static int memory_free_bytes(size_t *out, void *device) {
    const cuda_device *d = device;
    size_t total = 0;
    return DRIVER(d->driver, "querying free GPU memory", memory_info, out, &total);
}

static element element_of(void *device, layer_kind producer) {
    return producer == LAYER_LINEAR ? ELEMENT_F32 : ((const cuda_device *)device)->type;
}

static element element_of_input(void *device) { return element_of(device, LAYER_CONV); }

static int padded_channels(void *device, int c) {
    (void)device;
    return c < PADDED_CHANNELS ? PADDED_CHANNELS : c;
}

static int download(void *device, void *out, const void *memory, size_t bytes) {
    const cuda_device *d = device;
    int rc = OK;
    TRY(DRIVER(d->driver, "reading GPU memory", copy_down, out, address(memory), bytes, d->stream));
    TRY(gpu_wait(device));
done:
    return rc;
}

static int upload(void *device, void *memory, const void *in, size_t bytes) {
    const cuda_device *d = device;
    int rc = OK;
    TRY(DRIVER(d->driver, "writing GPU memory", copy_up, address(memory), in, bytes, d->stream));
    TRY(gpu_wait(device)); /* after this the caller may release `in` */
done:
    return rc;
}

/** Weights of convolutions are stored as (k, r, s, c); the logical order is (k, c, r, s). */
static void param_to_logical(double *out, const double *slot, const param *p) {
    size_t c = p->rank == 4 ? (size_t)p->shape[1] : 1,
           area = p->rank == 4 ? (size_t)p->shape[2] * (size_t)p->shape[3] : 1;
    for (size_t i = 0; i < p->count; i++) {
        size_t k = i / (c * area), at = i % (c * area);
        out[i] = slot[(k * area + at % area) * c + at / area];
    }
}

static void logical_to_param(double *slot, const double *in, const param *p) {
    size_t c = p->rank == 4 ? (size_t)p->shape[1] : 1,
           area = p->rank == 4 ? (size_t)p->shape[2] * (size_t)p->shape[3] : 1;
    for (size_t i = 0; i < p->count; i++) {
        size_t k = i / (c * area), at = i % (c * area);
        slot[(k * area + at % area) * c + at / area] = in[i];
    }
}

static const device_stream_ops stream = {
    .queue = queue,
    .set_grad_scaler = cuda_set_grad_scaler,
    .before_step = cuda_before_step,
    .post_result = cuda_post_result,
    .take_result = cuda_take_result,
    .time_begin = cuda_time_begin,
    .time_end = cuda_time_end,
    .time_read = cuda_time_read,
    .record_begin = cuda_record_begin,
    .record_end = cuda_record_end,
    .replay = cuda_replay,
    .recording_free = cuda_recording_free,
};

static const device_collective_ops collective = {.compress = cuda_compress_gradients,
                                                 .decompress = cuda_decompress_gradients,
                                                 .exchange = exchange_of,
                                                 .exchange_text = nccl_comm_text};

const device_ops device_cuda = {
    .name = "cuda",
    .master = ELEMENT_F32,
    .unavailable = unavailable,
    .pci_address = pci_address,
    .open = open_device,
    .close = close_device,
    .description = description,
    .allocate = gpu_allocate,
    .release = gpu_release,
    .copy_bytes = copy_bytes,
    .memory_free = memory_free_bytes,
    .element_of = element_of,
    .element_of_input = element_of_input,
    .padded_channels = padded_channels,
    .layer =
        {.conv = {.plan = cuda_conv_plan,
                  .forward = cuda_conv_forward,
                  .backward = cuda_conv_backward,
                  .destroy = cuda_conv_destroy,
                  .algorithm = cuda_conv_algorithm},
         .linear = {.plan = cuda_linear_plan,
                    .forward = cuda_linear_forward,
                    .backward = cuda_linear_backward,
                    .destroy = cuda_conv_destroy,
                    .algorithm = cuda_conv_algorithm},
         .bn = {.plan = cuda_bn_plan,
                .forward = cuda_bn_forward,
                .backward = cuda_bn_backward,
                .recompute = cuda_bn_recompute},
         .maxpool = {.plan = cuda_maxpool_plan, .forward = cuda_maxpool_forward, .backward = cuda_maxpool_backward},
         .avgpool = {.plan = cuda_avgpool_plan, .forward = cuda_avgpool_forward, .backward = cuda_avgpool_backward},
         .shortcut = {.plan = cuda_shortcut_plan,
                      .forward = cuda_shortcut_forward,
                      .backward = cuda_shortcut_backward}},
    .load_batch = cuda_load_batch,
    .load_drop_path = cuda_load_drop_path,
    .loss = cuda_loss,
    .set_class_weights = cuda_set_class_weights,
    .result = cuda_result_now,
    .reset_result = cuda_reset_result,
    .download = download,
    .upload = upload,
    .param_to_logical = param_to_logical,
    .logical_to_param = logical_to_param,
    .optimizer = {.set_hyper = cuda_set_hyper, .unscale = cuda_unscale, .update = cuda_update},
    .stream = &stream,
    .collective = &collective,
};
