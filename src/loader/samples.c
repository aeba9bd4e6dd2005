#include "loader/samples.h"

static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t samples_hash(int64_t first, const int64_t *index, int n) {
    uint64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum = samples_join(sum, mix(((uint64_t)(first + i) << 32) + (uint64_t)index[i]));
    return sum;
}
