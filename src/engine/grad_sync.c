#include "engine/grad_sync.h"

#include "base/memory.h"
#include "base/status.h"
#include "engine/internal.h"

#include <stdlib.h>

size_t grad_sync_half_bytes(const engine *e) {
    size_t one = element_bytes(e->ops->element_of(e->device, LAYER_CONV));
    bool half = e->options.half_gradients && comm_ranks(e->exchange) > 1 && one == 2 && e->ops->collective != NULL;
    return half ? (e->model->weight_n - e->model->frozen_n) * one : 0;
}

/** Backward runs from the last layer to the first, so a bucket is complete after its earliest layer. The order of the
 *  table is not that of the layers (torchvision lists a downsample after bn3, which runs later). */
void grad_sync_cut(engine *e, const int *owner) {
    const model *n = e->model;
    size_t limit = e->options.bucket_bytes, unit = element_bytes(e->ops->master);
    bucket *b = NULL;
    for (int p = n->param_n - 1; p >= 0 && n->param[p].offset >= n->frozen_n; p--) {
        size_t begin = n->param[p].offset;
        if (b == NULL || (limit > 0 && (b->end - b->begin) * unit >= limit)) {
            b = &e->bucket[e->bucket_n++];
            *b = (bucket){.end = begin + n->param[p].count, .ready = owner[p]};
        }
        b->begin = begin;
        if (owner[p] < b->ready)
            b->ready = owner[p];
    }
}

void grad_sync_deinit(engine *e) {
    for (int i = 0; i < e->bucket_n; i++)
        free(e->bucket[i].host);
    free(e->bucket);
}

/** Whether gradients are exchanged through host memory. */
static bool goes_by_host(const engine *e) { return e->ops->memory_free != NULL && !e->exchange->device_memory; }

static element exchanged_type(const engine *e) {
    return e->grad_16bit != NULL ? e->ops->element_of(e->device, LAYER_CONV) : e->ops->master;
}

static size_t bucket_bytes(const engine *e, const bucket *b) {
    return (b->end - b->begin) * element_bytes(exchanged_type(e));
}

/** Device address of the data to exchange. */
static void *bucket_own(const engine *e, const bucket *b) {
    return e->grad_16bit != NULL ? (uint16_t *)e->grad_16bit + (b->begin - e->model->frozen_n)
                                 : arena_at(e->gradient, e, b->begin);
}

/** *data: address of the bucket's gradients for the communicator, compressed and copied to the host if needed. */
static int bucket_data(void **data, engine *e, bucket *b) {
    int rc = OK;
    *data = bucket_own(e, b);
    if (e->grad_16bit != NULL)
        TRY(e->ops->collective->compress(e->device, *data, arena_at(e->gradient, e, b->begin), b->end - b->begin,
                                         comm_ranks(e->exchange)));
    if (!goes_by_host(e))
        return OK;
    if (b->host == NULL)
        TRY(memory_zeroed(&b->host, bucket_bytes(e, b), 1));
    TRY(e->ops->download(e->device, b->host, *data, bucket_bytes(e, b)));
    *data = b->host;
done:
    return rc;
}

/** The bucket's all-reduce has completed: copies the mean back to the gradient arena. */
static int bucket_take(engine *e, const bucket *b) {
    int rc = OK;
    if (goes_by_host(e))
        TRY(e->ops->upload(e->device, bucket_own(e, b), b->host, bucket_bytes(e, b)));
    if (e->grad_16bit != NULL)
        TRY(e->ops->collective->decompress(e->device, arena_at(e->gradient, e, b->begin), bucket_own(e, b),
                                           b->end - b->begin));
done:
    return rc;
}

static comm_type comm_type_of(element e) {
    static const comm_type types[] = {
        [ELEMENT_F64] = COMM_F64, [ELEMENT_F32] = COMM_F32, [ELEMENT_BF16] = COMM_BF16, [ELEMENT_F16] = COMM_F16};
    return types[e];
}

int grad_sync_start(int *next, engine *e, int i) {
    comm *c = e->exchange;
    int rc = OK;
    comm_type type = comm_type_of(exchanged_type(e));
    void *queue = e->ops->stream != NULL && !goes_by_host(e) ? e->ops->stream->queue(e->device) : NULL, *data = NULL;
    double start = 0;
    TRY(profile_begin(&start, e));
    for (; *next < e->bucket_n && e->bucket[*next].ready >= i; ++*next) {
        bucket *b = &e->bucket[*next];
        TRY(bucket_data(&data, e, b));
        b->call = (comm_call){.kind = e->grad_16bit != NULL ? COMM_SUM : COMM_MEAN, /* compress has divided */
                              .type = type,
                              .channel = COMM_GRADIENTS,
                              .data = data,
                              .n = b->end - b->begin,
                              .queue = queue};
        TRY(c->start(c, &b->call));
    }
    TRY(profile_add(&e->times.phase[PHASE_ALL_REDUCE], e, start));
done:
    return rc;
}

int grad_sync_wait(engine *e, int sent) {
    comm *c = e->exchange;
    double start = 0;
    if (sent == 0)
        return OK;
    int rc = profile_begin(&start, e);
    for (int i = 0; i < sent; i++) {
        bucket *b = &e->bucket[i];
        int one = c->wait(c, &b->call);
        if (one == OK)
            one = bucket_take(e, b);
        rc = rc != OK ? rc : one;
    }
    TRY(rc);
    TRY(profile_add(&e->times.phase[PHASE_ALL_REDUCE], e, start));
done:
    return rc;
}

int engine_exchange(engine *e) {
    int next = 0, rc = grad_sync_start(&next, e, 0), awaited = grad_sync_wait(e, next);
    return rc != OK ? rc : awaited;
}
