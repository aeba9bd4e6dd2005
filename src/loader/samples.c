/* The hash of a step's images. */

#include "loader/samples.h"

#include "base/hash.h"

uint64_t samples_hash(int64_t first, const int64_t *index, int n) {
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        uint64_t key = ((uint64_t)(first + i) << 32) + (uint64_t)index[i];
        sum = samples_join(sum, splitmix64(key + SPLITMIX_STEP));
    }
    return sum;
}
