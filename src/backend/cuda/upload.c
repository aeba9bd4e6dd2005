/* Upload of batches: a ring of pinned buffers is copied on a separate stream while the previous step still runs. Pixels
 * are then normalised on the GPU, and labels are written to the addresses that captured steps use. */
#include "backend/cuda/gpu.h"
#include "backend/cuda/slices.h"
#include "base/memory.h"
#include "base/status.h"

#include <string.h>

static const char *const what = "uploading a batch";

static void slot_deinit(staging_buffer *s, const cuda_device *d) {
    if (s->pinned != NULL)
        d->driver->pinned_free(s->pinned);
    if (s->memory != 0)
        d->driver->memory_free(s->memory);
    if (s->copied != NULL)
        d->driver->event_destroy(s->copied);
    if (s->used != NULL)
        d->driver->event_destroy(s->used);
    *s = (staging_buffer){0};
}

static void release_labels(cuda_device *d) {
    gpu_release(d, d->label, 0);
    gpu_release(d, d->label_b, 0);
    gpu_release(d, d->mix, 0);
    gpu_release(d, d->image_loss, 0);
    gpu_release(d, d->image_rank, 0);
    d->label = d->label_b = d->image_rank = NULL;
    d->mix = NULL;
    d->image_loss = NULL;
    d->label_capacity = 0;
}

static void release_kept(cuda_device *d) {
    gpu_release(d, d->kept, 0);
    for (int i = 0; i < UPLOAD_SLOTS; i++) {
        if (d->kept_pinned[i] != NULL)
            d->driver->pinned_free(d->kept_pinned[i]);
        if (d->kept_copied[i] != NULL)
            d->driver->event_destroy(d->kept_copied[i]);
        d->kept_pinned[i] = NULL;
        d->kept_copied[i] = NULL;
    }
    d->kept = NULL;
    d->kept_capacity = 0;
}

void cuda_upload_deinit(cuda_device *d) {
    release_kept(d);
    for (int i = 0; i < UPLOAD_SLOTS; i++)
        slot_deinit(&d->upload[i], d);
    release_labels(d);
}

/** Memory for the labels of n images. If it grows, the addresses in captured steps become invalid. */
static int reserve_labels(cuda_device *d, size_t n) {
    int rc = OK;
    if (n <= d->label_capacity)
        return OK;
    release_labels(d);
    d->generation++;
    TRY(gpu_allocate((void **)&d->label, d, n * sizeof *d->label));
    TRY(gpu_allocate((void **)&d->label_b, d, n * sizeof *d->label_b));
    TRY(gpu_allocate((void **)&d->mix, d, n * sizeof *d->mix));
    TRY(gpu_allocate((void **)&d->image_loss, d, n * sizeof *d->image_loss));
    TRY(gpu_allocate((void **)&d->image_rank, d, n * sizeof *d->image_rank));
    d->label_capacity = n;
done:
    return rc;
}

static int reserve_slot(staging_buffer *s, cuda_device *d, size_t bytes) {
    int rc = OK;
    if (bytes <= s->bytes)
        return OK;
    TRY(gpu_wait(d));
    TRY(DRIVER(d->driver, what, stream_wait, d->copies));
    slot_deinit(s, d);
    TRY(DRIVER(d->driver, what, pinned_allocate, (void **)&s->pinned, bytes, 0));
    TRY(DRIVER(d->driver, what, memory_allocate, &s->memory, bytes));
    TRY(DRIVER(d->driver, what, event_create, &s->copied, CU_EVENT_DISABLE_TIMING));
    TRY(DRIVER(d->driver, what, event_create, &s->used, CU_EVENT_DISABLE_TIMING));
    s->bytes = bytes;
done:
    return rc;
}

/** Byte offset of each part: pixels, labels, second labels, mixing weights; the last is the total size. */
static void parts_of(size_t at[5], const batch *b) {
    size_t n = (size_t)b->n;
    at[0] = 0;
    at[1] = memory_round(n * (size_t)b->h * (size_t)b->w * 3);
    at[2] = at[1] + memory_round(n * sizeof *b->label);
    at[3] = at[2] + memory_round(n * sizeof *b->label_b);
    at[4] = at[3] + memory_round(n * sizeof *b->mix);
}

/** Copies the batch to pinned memory and queues the copy to the GPU. */
static int send(staging_buffer *s, cuda_device *d, const batch *b, const size_t at[5]) {
    size_t n = (size_t)b->n;
    int rc = OK;
    TRY(DRIVER(d->driver, what, event_wait, s->copied)); /* returns at once if the event was never recorded */
    copy_in_slices(s->pinned, b->pixels, n * (size_t)b->h * (size_t)b->w * 3);
    memcpy(s->pinned + at[1], b->label, n * sizeof *b->label);
    memcpy(s->pinned + at[2], b->label_b, n * sizeof *b->label_b);
    memcpy(s->pinned + at[3], b->mix, n * sizeof *b->mix);
    TRY(DRIVER(d->driver, what, stream_wait_event, d->copies, s->used, 0));
    TRY(DRIVER(d->driver, what, copy_up, s->memory, s->pinned, at[4], d->copies));
    TRY(DRIVER(d->driver, what, event_record, s->copied, d->copies));
    TRY(DRIVER(d->driver, what, stream_wait_event, d->stream, s->copied, 0));
done:
    return rc;
}

int cuda_load_batch(void *device, void *x, int channels, const batch *b) {
    cuda_device *d = device;
    staging_buffer *s = &d->upload[d->uploads++ % UPLOAD_SLOTS];
    size_t at[5];
    int rc = OK;
    autotune_cache_save(&d->autotune);
    parts_of(at, b);
    TRY(reserve_labels(d, (size_t)b->n));
    TRY(reserve_slot(s, d, at[4]));
    TRY(send(s, d, b, at));
    unsigned char *memory = gpu_pointer(s->memory);
    load_args a = {.x = x,
                   .pixels = memory,
                   .label_in = (const int32_t *)(memory + at[1]),
                   .label_b_in = (const int32_t *)(memory + at[2]),
                   .mix_in = (const float *)(memory + at[3]),
                   .label = d->label,
                   .label_b = d->label_b,
                   .mix = d->mix,
                   .m = (size_t)b->n * (size_t)b->h * (size_t)b->w,
                   .n = b->n,
                   .c = channels};
    memcpy(a.mean, d->options.mean, sizeof a.mean);
    memcpy(a.std, d->options.std, sizeof a.std);
    TRY(gpu_launch(d, kernel_for(KERNEL_load_batch, d->type), launch_threads(a.m), &a));
    TRY(DRIVER(d->driver, what, event_record, s->used, d->stream));
    d->label_n = b->n;
done:
    return rc;
}

/** If the memory grows, the addresses in captured steps become invalid. */
static int reserve_kept(cuda_device *d, size_t n) {
    int rc = OK;
    if (n <= d->kept_capacity)
        return OK;
    TRY(gpu_wait(d));
    release_kept(d);
    d->generation++;
    TRY(gpu_allocate((void **)&d->kept, d, n));
    for (int i = 0; i < UPLOAD_SLOTS; i++) {
        TRY(DRIVER(d->driver, what, pinned_allocate, (void **)&d->kept_pinned[i], n, 0));
        TRY(DRIVER(d->driver, what, event_create, &d->kept_copied[i], CU_EVENT_DISABLE_TIMING));
    }
    d->kept_capacity = n;
done:
    return rc;
}

int cuda_load_drop_path(void *device, const uint8_t *kept, int blocks, int images) {
    cuda_device *d = device;
    size_t n = (size_t)blocks * (size_t)images;
    unsigned slot = d->kept_loads++ % UPLOAD_SLOTS;
    int rc = OK;
    TRY(reserve_kept(d, n));
    TRY(DRIVER(d->driver, what, event_wait, d->kept_copied[slot])); /* returns at once if it was never recorded */
    memcpy(d->kept_pinned[slot], kept, n);
    TRY(DRIVER(d->driver, what, copy_up, (CUdeviceptr)(uintptr_t)d->kept, d->kept_pinned[slot], n, d->stream));
    TRY(DRIVER(d->driver, what, event_record, d->kept_copied[slot], d->stream));
    d->kept_images = images;
done:
    return rc;
}
