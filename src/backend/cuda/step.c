/* State of a step in GPU memory: hyper-parameters and loss scaler, the loss, the result, the update. */
#include "backend/cuda/gpu.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>

enum { UPDATE_BLOCKS = 1024, UPDATE_PIECES = 4, UPDATE_CHUNK = 1 << 14 /* elements */ };

static const launch_shape one_thread = {1, 1, 1, 1}, one_block = {1, 1, 256, 1};

int cuda_set_hyper(void *device, const engine_hyper *h) {
    const cuda_device *d = device;
    hyper_args a = {.state = d->state,
                    .hyper = {.lr = h->lr,
                              .head_lr = h->head_lr > 0 ? h->head_lr : h->lr,
                              .momentum = h->momentum,
                              .dampening = h->dampening,
                              .weight_decay = h->weight_decay,
                              .clip_norm = h->clip_norm,
                              .loss_scale = h->loss_scale,
                              .label_smoothing = h->label_smoothing,
                              .beta1 = h->beta1,
                              .beta2 = h->beta2,
                              .alpha = h->alpha,
                              .eps = h->eps,
                              .trust = h->trust,
                              .updates = h->updates,
                              .nesterov = h->nesterov,
                              .first_step = h->first_step,
                              .loss_binary = h->loss.binary,
                              .bce_sum = h->loss.bce.sum,
                              .bce_threshold = h->loss.bce.threshold,
                              .loss_weighted = h->loss.weighted,
                              .loss_soft = h->loss.soft,
                              .images = h->images}};
    return gpu_launch(d, KERNEL_set_hyper, one_thread, &a);
}

int cuda_set_grad_scaler(void *device, const engine_grad_scaler *s) {
    const cuda_device *d = device;
    grad_scaler_args a = {.state = d->state,
                          .scaler = {.scale = s->scale,
                                     .growth_factor = s->growth_factor,
                                     .backoff_factor = s->backoff_factor,
                                     .growth_interval = s->growth_interval,
                                     .growth_tracker = s->growth_tracker}};
    return gpu_launch(d, KERNEL_set_grad_scaler, one_thread, &a);
}

int cuda_reset_result(void *device) {
    const cuda_device *d = device;
    reset_args a = {.state = d->state};
    return gpu_launch(d, KERNEL_reset_result, one_thread, &a);
}

int cuda_set_class_weights(void *device, const double *weight, int n) {
    cuda_device *d = device;
    size_t bytes = (size_t)n * sizeof *weight;
    int rc = OK;
    if (d->class_weight == NULL)
        TRY(gpu_allocate((void **)&d->class_weight, d, bytes));
    TRY(DRIVER(d->driver, "writing GPU memory", copy_up, (CUdeviceptr)(uintptr_t)d->class_weight, weight, bytes,
               d->stream));
    TRY(gpu_wait(d)); /* after this the caller may release `weight` */
done:
    return rc;
}

int cuda_loss(void *device, const device_loss *l) {
    const cuda_device *d = device;
    loss_args a = {.state = d->state,
                   .logits = l->logits,
                   .dlogits = l->dlogits,
                   .label = d->label,
                   .label_b = d->label_b,
                   .mix = d->mix,
                   .weight = d->class_weight,
                   .image_loss = d->image_loss,
                   .image_rank = d->image_rank,
                   .n = l->n,
                   .classes = l->classes};
    int rc = OK;
    if (d->label_n != l->n)
        return fail(E_SHAPE, "labels of %d images are loaded, but the plan has %d", d->label_n, l->n);
    TRY(gpu_launch(d, KERNEL_loss_images, (launch_shape){(unsigned)l->n, 1, 256, 1}, &a));
    TRY(gpu_launch(d, KERNEL_loss_join, one_block, &a));
done:
    return rc;
}

int cuda_post_result(void *device, int slot) {
    const cuda_device *d = device;
    int rc = OK;
    TRY(DRIVER(d->driver, "reading a step's result", copy_down, d->result[slot],
               (CUdeviceptr)(uintptr_t)&d->state->result, sizeof *d->result[slot], d->stream));
    TRY(DRIVER(d->driver, "reading a step's result", event_record, d->posted[slot], d->stream));
done:
    return rc;
}

int cuda_take_result(void *device, int slot, engine_result_data *out) {
    const cuda_device *d = device;
    const cuda_result *r = d->result[slot];
    int rc = OK;
    TRY(DRIVER(d->driver, "waiting for a step's result", event_wait, d->posted[slot]));
    *out = (engine_result_data){.loss_sum = r->loss_sum,
                                .images = r->images,
                                .top1 = r->top1,
                                .top5 = r->top5,
                                .grad_norm = r->grad_norm,
                                .finite = r->finite != 0};
done:
    return rc;
}

/** Uses a separate result slot, so posted results are kept. */
int cuda_result_now(void *device, engine_result_data *out) {
    int rc = OK;
    TRY(cuda_post_result(device, RESULT_NOW));
    TRY(cuda_take_result(device, RESULT_NOW, out));
done:
    return rc;
}

/* ---- weights ---- */

static unsigned blocks_for(size_t n) {
    launch_shape s = launch_threads((n + UPDATE_PIECES - 1) / UPDATE_PIECES);
    return s.grid_x < UPDATE_BLOCKS ? s.grid_x : UPDATE_BLOCKS;
}

static int upload_ranges(cuda_device *d, const device_arenas *a) {
    cuda_range *range = NULL;
    size_t bytes = (size_t)a->range_n * sizeof *range;
    int rc = OK;
    TRY(memory_zeroed(&range, (size_t)a->range_n, sizeof *range));
    for (int i = 0; i < a->range_n; i++)
        range[i] =
            (cuda_range){.end = a->range[i].end - a->frozen, .decays = a->range[i].decays, .head = a->range[i].head};
    TRY(gpu_allocate((void **)&d->range, d, bytes));
    TRY(DRIVER(d->driver, "writing GPU memory", copy_up, (CUdeviceptr)(uintptr_t)d->range, range, bytes, d->stream));
    TRY(gpu_wait(d));
    d->range_n = a->range_n;
done:
    free(range);
    return rc;
}

/** The chunks of the ranges, and what tensor_sums and trust_ratios write. */
static int make_chunks(cuda_device *d, const device_arenas *a) {
    cuda_chunk *chunk = NULL;
    int n = 0, i = 0, rc = OK;
    for (int r = 0; r < a->range_n; r++)
        n += (int)((a->range[r].end - a->range[r].begin + UPDATE_CHUNK - 1) / UPDATE_CHUNK);
    size_t bytes = (size_t)n * sizeof *chunk;
    TRY(memory_zeroed(&chunk, (size_t)n, sizeof *chunk));
    for (int r = 0; r < a->range_n; r++)
        for (size_t at = a->range[r].begin; at < a->range[r].end; at += UPDATE_CHUNK) {
            size_t end = at + UPDATE_CHUNK < a->range[r].end ? at + UPDATE_CHUNK : a->range[r].end;
            chunk[i++] = (cuda_chunk){at - a->frozen, end - a->frozen, r};
        }
    TRY(gpu_allocate((void **)&d->chunk, d, bytes));
    TRY(gpu_allocate((void **)&d->chunk_sums, d, 2 * (size_t)n * sizeof *d->chunk_sums));
    TRY(gpu_allocate((void **)&d->trust, d, (size_t)a->range_n * sizeof *d->trust));
    TRY(DRIVER(d->driver, "writing GPU memory", copy_up, (CUdeviceptr)(uintptr_t)d->chunk, chunk, bytes, d->stream));
    TRY(gpu_wait(d));
    d->chunk_n = n;
done:
    free(chunk);
    return rc;
}

static int make_stores(cuda_device *d, const device_arenas *a) {
    int rc = OK;
    TRY(gpu_allocate((void **)&d->part, d, UPDATE_BLOCKS * sizeof *d->part));
    TRY(gpu_allocate((void **)&d->overflow, d, UPDATE_BLOCKS * sizeof *d->overflow));
    if (d->type != ELEMENT_F32 && a->n > 0) {
        size_t bytes = a->n * element_bytes(d->type);
        TRY(gpu_allocate(&d->copy, d, bytes));
        d->copy_bytes = bytes;
    }
    if (optimizer_adapts(d->options.optimizer))
        TRY(make_chunks(d, a));
    TRY(upload_ranges(d, a));
done:
    return rc;
}

static update_args args_of(const cuda_device *d, const device_arenas *a) {
    return (update_args){.state = d->state,
                         .weight = a->weight,
                         .gradient = a->gradient,
                         .momentum = a->momentum,
                         .square = a->square,
                         .copy = d->copy,
                         .range = d->range,
                         .chunk = d->chunk,
                         .sums = d->chunk_sums,
                         .trust = d->trust,
                         .part = d->part,
                         .overflow = d->overflow,
                         .n = a->n,
                         .range_n = d->range_n,
                         .chunk_n = d->chunk_n,
                         .optimizer = (int)d->options.optimizer,
                         .blocks = (int)blocks_for(a->n),
                         .fp16 = d->options.precision == PRECISION_16};
}

/** The arguments for the trained part of the arenas, without the frozen parameters. */
static update_args trained(const cuda_device *d, const device_arenas *a) {
    update_args u = args_of(d, a);
    u.weight += a->frozen;
    u.gradient += a->frozen;
    u.momentum += a->frozen;
    if (u.square != NULL)
        u.square += a->frozen;
    if (u.copy != NULL)
        u.copy = (unsigned char *)u.copy + a->frozen * element_bytes(d->type);
    u.n = a->n - a->frozen;
    u.blocks = (int)blocks_for(u.n);
    return u;
}

int cuda_before_step(void *device, const device_arenas *a, uint64_t written) {
    cuda_device *d = device;
    int rc = OK;
    if (d->range == NULL)
        TRY(make_stores(d, a));
    if (d->copy == NULL || d->copied_version == written)
        return OK;
    update_args u = args_of(d, a);
    TRY(gpu_launch(d, kernel_for(KERNEL_cast, d->type), (launch_shape){(unsigned)u.blocks, 1, 256, 1}, &u));
    d->copied_version = written;
done:
    return rc;
}

int cuda_unscale(void *device, const device_arenas *a) {
    const cuda_device *d = device;
    update_args u = trained(d, a);
    int rc = OK;
    TRY(gpu_launch(d, KERNEL_unscale, (launch_shape){(unsigned)u.blocks, 1, 256, 1}, &u));
    TRY(gpu_launch(d, KERNEL_gradient_norm, one_block, &u));
done:
    return rc;
}

int cuda_update(void *device, const device_arenas *a) {
    const cuda_device *d = device;
    update_args u = trained(d, a);
    int rc = OK;
    if (optimizer_adapts(d->options.optimizer)) {
        TRY(gpu_launch(d, KERNEL_tensor_sums, (launch_shape){(unsigned)u.chunk_n, 1, 256, 1}, &u));
        TRY(gpu_launch(d, KERNEL_trust_ratios, (launch_shape){(unsigned)u.range_n, 1, 256, 1}, &u));
    }
    TRY(gpu_launch(d, kernel_for(KERNEL_update, d->type), launch_threads((u.n + UPDATE_PIECES - 1) / UPDATE_PIECES),
                   &u));
    TRY(gpu_launch(d, KERNEL_scaler, one_thread, &u));
done:
    return rc;
}

static int convert(const cuda_device *d, kernel f32, const half_args *a) {
    return gpu_launch(d, kernel_for(f32, d->type), (launch_shape){blocks_for(a->n), 1, 256, 1}, a);
}

int cuda_compress_gradients(void *device, void *half, const void *gradient, size_t n, int ranks) {
    return convert(device, KERNEL_narrow, &(half_args){half, (float *)gradient, n, ranks});
}

int cuda_decompress_gradients(void *device, void *gradient, const void *half, size_t n) {
    return convert(device, KERNEL_widen, &(half_args){(void *)half, gradient, n, 1});
}
