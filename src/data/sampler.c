#include "data/sampler.h"

#include "base/random.h"

#include <assert.h>

void sampler_epoch(uint32_t *order, int64_t n, uint64_t seed, uint32_t epoch, bool shuffle) {
    assert(n >= 0 && n <= UINT32_MAX);
    for (int64_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    if (!shuffle)
        return;
    random_stream r = random_open(seed, epoch, 0, RANDOM_SHUFFLE);
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)random_below(&r, (uint64_t)i + 1);
        uint32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}
