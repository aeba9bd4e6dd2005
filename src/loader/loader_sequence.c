#define _GNU_SOURCE
/* The order of an epoch: a shuffle of all images, a draw with replacement, or shard after shard through a shuffle
 * buffer. With several hosts the stream of shards is divided: each host reads a part of its own. */
#include "loader/loader_state.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

static const int one_host[1] = {0};

static int own_host(const loader *l) { return l->hosts.of[l->options.micro_batch_first % l->hosts.step_n]; }

static int by_offset(const void *a, const void *b, void *locations) {
    const image_location *location = locations;
    uint64_t x = location[*(const uint32_t *)a].offset, y = location[*(const uint32_t *)b].offset;
    return (x > y) - (x < y);
}

/* A counting sort of the images by shard, then a sort of each shard by offset. */
int loader_sequence_init(loader *l) {
    int rc = OK;
    const dataset *d = l->dataset;
    if (l->options.balance > 0) {
        TRY(memory_zeroed(&l->share, (size_t)d->class_n, sizeof *l->share));
        sampler_shares(l->share, d->class_image_n, d->class_n, l->options.balance);
    }
    if (!l->options.shuffle || l->options.buffer == 0)
        return OK;
    if (d->location == NULL)
        return fail(E_OPTION, "data.sequential needs shards, but %s is an image folder: pack it first (linnet pack)",
                    d->root);
    l->hosts = (sampler_hosts){.of = one_host, .step_n = 1, .n = 1};
    if (l->options.hosts > 1) {
        l->hosts = (sampler_hosts){l->options.micro_batch_host, l->options.micro_batches_per_step, l->options.hosts};
        TRY(memory_zeroed(&l->parts, (size_t)d->image_n, sizeof *l->parts));
    }
    TRY(memory_zeroed(&l->stream, (size_t)d->image_n, sizeof *l->stream));
    TRY(memory_zeroed(&l->by_location, (size_t)d->image_n, sizeof *l->by_location));
    TRY(memory_zeroed(&l->shards, (size_t)d->shard_n, sizeof *l->shards));
    TRY(memory_zeroed(&l->shard_first, (size_t)d->shard_n + 1, sizeof *l->shard_first));
    for (int64_t i = 0; i < d->image_n; i++)
        l->shard_first[d->location[i].shard + 1]++;
    for (int s = 0; s < d->shard_n; s++)
        l->shard_first[s + 1] += l->shard_first[s];
    for (int64_t i = 0; i < d->image_n; i++) {
        uint32_t s = d->location[i].shard;
        l->by_location[l->shard_first[s] + l->shards[s]++] = (uint32_t)i;
    }
    for (int s = 0; s < d->shard_n; s++)
        qsort_r(l->by_location + l->shard_first[s], (size_t)(l->shard_first[s + 1] - l->shard_first[s]),
                sizeof *l->by_location, by_offset, d->location);
done:
    return rc;
}

int64_t loader_sequence_images(const loader *l, int64_t batches) {
    return sampler_host_images(&l->hosts, own_host(l), batches, l->options.batch_size, l->dataset->image_n);
}

/** Sets the order: each host's part of the stream, shuffled within the buffer, in the positions of its batches. */
static void start_stream(loader *l) {
    const loader_options *o = &l->options;
    const sampler_hosts *hosts = &l->hosts;
    int64_t n = l->dataset->image_n, batches = n / o->batch_size + 1, first = 0;
    uint32_t *parts = l->parts != NULL ? l->parts : l->order;
    sampler_stream(l->stream, l->shards, l->by_location, l->shard_first, l->dataset->shard_n, o->seed, l->epoch);
    memcpy(parts, l->stream, (size_t)n * sizeof *parts);
    for (int host = 0; host < hosts->n; host++) {
        int64_t images = sampler_host_images(hosts, host, batches, o->batch_size, n);
        sampler_buffered(parts + first, images, o->seed, l->epoch, host, o->buffer);
        if (host == own_host(l)) {
            l->part_first = first;
            l->part_end = first + images;
        }
        first += images;
    }
    if (l->parts != NULL)
        sampler_deal(l->order, l->parts, n, o->batch_size, hosts);
}

void loader_sequence_start(loader *l) {
    const loader_options *o = &l->options;
    int64_t n = l->dataset->image_n;
    if (l->stream != NULL) {
        start_stream(l);
        return;
    }
    if (l->share != NULL)
        sampler_balanced(l->order, n, l->share, l->dataset->class_n, o->seed, l->epoch);
    else
        sampler_epoch(l->order, n, o->seed, l->epoch, o->shuffle);
    if (o->repeats > 1)
        sampler_repeat(l->order, n, o->repeats, o->batch_size);
}
