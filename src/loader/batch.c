#include "loader/batch.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int batch_init(batch *b, int capacity, int h, int w) {
    int rc = OK;
    *b = (batch){.capacity = capacity, .h = h, .w = w};
    size_t bytes = memory_round((size_t)capacity * (size_t)h * (size_t)w * 3);
    b->pixels = aligned_alloc(MEMORY_ALIGN, bytes > 0 ? bytes : MEMORY_ALIGN);
    if (b->pixels == NULL) {
        rc = fail(E_NOMEM, "cannot allocate a batch of %d images of %d x %d pixels", capacity, h, w);
        goto done;
    }
    memset(b->pixels, 0, bytes); /* allocates the pages before the first image */
    size_t n = (size_t)capacity;
    TRY(memory_zeroed(&b->label, n, sizeof *b->label));
    TRY(memory_zeroed(&b->label_b, n, sizeof *b->label_b));
    TRY(memory_zeroed(&b->mix, n, sizeof *b->mix));
    TRY(memory_zeroed(&b->index, n, sizeof *b->index));
done:
    if (rc != OK)
        batch_deinit(b);
    return rc;
}

void batch_deinit(batch *b) {
    free(b->pixels);
    free(b->label);
    free(b->label_b);
    free(b->mix);
    free(b->index);
    *b = (batch){0};
}

void batch_synthetic(batch *b, int n, int classes, uint64_t seed, uint64_t number) {
    assert(n <= b->capacity && classes > 0);
    random_stream r = random_open(seed, 0, number, RANDOM_SYNTHETIC);
    uint64_t key = (uint64_t)random_u32(&r) << 32;
    key |= random_u32(&r);
    size_t bytes = (size_t)n * (size_t)b->h * (size_t)b->w * 3;
    size_t words = memory_round(bytes) / 8; /* the allocation has the same rounding, so there is no remainder */
    for (size_t i = 0; i < words; i++) {
        uint64_t value = splitmix64(key + (i + 1) * SPLITMIX_STEP);
        memcpy(b->pixels + 8 * i, &value, 8);
    }
    b->n = n;
    for (int i = 0; i < n; i++) {
        b->label[i] = b->label_b[i] = (int32_t)random_below(&r, (uint64_t)classes);
        b->mix[i] = 1;
        b->index[i] = (int64_t)number * n + i;
    }
}
