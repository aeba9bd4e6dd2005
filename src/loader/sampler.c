#include "loader/sampler.h"

#include "base/random.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { WHOLE = 0, SHARDS = 1, BUFFER = 2, BALANCED = 3 }; /* what is shuffled: the stream index of its draws */

static void swap(uint32_t *order, int64_t i, int64_t j) {
    uint32_t kept = order[i];
    order[i] = order[j];
    order[j] = kept;
}

static void shuffle_all(uint32_t *order, int64_t n, random_stream r) {
    for (int64_t i = n - 1; i > 0; i--)
        swap(order, i, (int64_t)random_below(&r, (uint64_t)i + 1));
}

void sampler_epoch(uint32_t *order, int64_t n, uint64_t seed, uint32_t epoch, bool shuffle) {
    assert(n >= 0 && n <= UINT32_MAX);
    for (int64_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    if (!shuffle)
        return;
    shuffle_all(order, n, random_open(seed, epoch, WHOLE, RANDOM_SHUFFLE));
}

void sampler_shares(class_share *share, const int64_t *class_n, int classes, double balance) {
    int64_t first = 0;
    double end = 0;
    for (int k = 0; k < classes; k++) {
        end += class_n[k] > 0 ? pow((double)class_n[k], 1 - balance) : 0;
        share[k] = (class_share){.first = first, .n = class_n[k], .end = end};
        first += class_n[k];
    }
}

/** The first class that ends after `at`; if rounding leaves none, the last one with a weight. */
static const class_share *class_at(const class_share *share, int classes, double at) {
    int low = 0, high = classes - 1;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (share[middle].end > at || share[middle].end == share[classes - 1].end)
            high = middle;
        else
            low = middle + 1;
    }
    return &share[low];
}

void sampler_balanced(uint32_t *order, int64_t n, const class_share *share, int classes, uint64_t seed,
                      uint32_t epoch) {
    random_stream r = random_open(seed, epoch, BALANCED, RANDOM_SHUFFLE);
    for (int64_t p = 0; p < n; p++) {
        const class_share *of = class_at(share, classes, random_unit(&r) * share[classes - 1].end);
        order[p] = (uint32_t)(of->first + (int64_t)random_below(&r, (uint64_t)of->n));
    }
}

void sampler_buffered(uint32_t *order, int64_t n, uint64_t seed, uint32_t epoch, int host, int64_t buffer) {
    random_stream r = random_open(seed, epoch, (uint64_t)host << 32 | BUFFER, RANDOM_SHUFFLE);
    for (int64_t p = 0; p < n; p++) {
        int64_t waiting = n - p < buffer ? n - p : buffer;
        swap(order, p, p + (int64_t)random_below(&r, (uint64_t)waiting));
    }
}

void sampler_stream(uint32_t *stream, uint32_t *shards, const uint32_t *by_location, const int64_t *shard_first,
                    int shard_n, uint64_t seed, uint32_t epoch) {
    for (int i = 0; i < shard_n; i++)
        shards[i] = (uint32_t)i;
    shuffle_all(shards, shard_n, random_open(seed, epoch, SHARDS, RANDOM_SHUFFLE));
    for (int i = 0; i < shard_n; i++) {
        int64_t first = shard_first[shards[i]], n = shard_first[shards[i] + 1] - first;
        memcpy(stream, by_location + first, (size_t)n * sizeof *stream);
        stream += n;
    }
}

int64_t sampler_host_images(const sampler_hosts *s, int host, int64_t batches, int64_t batch_size, int64_t n) {
    int64_t full = batches < n / batch_size ? batches : n / batch_size, rest = full % s->step_n, own = 0, in_rest = 0;
    for (int k = 0; k < s->step_n; k++) {
        own += s->of[k] == host;
        in_rest += s->of[k] == host && k < rest;
    }
    int64_t images = (full / s->step_n * own + in_rest) * batch_size;
    return batches > full && s->of[rest] == host ? images + n % batch_size : images;
}

void sampler_deal(uint32_t *order, const uint32_t *parts, int64_t n, int64_t batch_size, const sampler_hosts *s) {
    for (int host = 0; host < s->n; host++) {
        for (int64_t first = 0, b = 0; first < n; first += batch_size, b++) {
            if (s->of[b % s->step_n] != host)
                continue;
            int64_t images = n - first < batch_size ? n - first : batch_size;
            memcpy(order + first, parts, (size_t)images * sizeof *order);
            parts += images;
        }
    }
}

void sampler_repeat(uint32_t *order, int64_t n, int64_t repeats, int64_t group) {
    for (int64_t i = n - 1; i >= 0; i--) /* downwards, so that entries are read before they are overwritten */
        order[i] = order[i / (repeats * group) * group + i % group];
}
