#include "base/random.h"

#include <math.h>
#include <string.h>

void random_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

random_stream random_open(uint64_t seed, uint32_t epoch, uint64_t index, random_purpose purpose) {
    return (random_stream){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                           .counter = {0, (uint32_t)index, (uint32_t)(index >> 32), (epoch << 8) | (uint32_t)purpose}};
}

uint32_t random_u32(random_stream *r) {
    if (r->left == 0) {
        random_philox(r->block, r->counter, r->key);
        r->counter[0]++;
        r->left = 4;
    }
    return r->block[4 - r->left--];
}

static uint64_t random_u64(random_stream *r) {
    uint64_t high = random_u32(r);
    return high << 32 | random_u32(r);
}

uint64_t random_below(random_stream *r, uint64_t n) {
    /* Lemire 2019: multiply, and reject the few values that would be drawn too often */
    for (;;) {
        unsigned __int128 m = (unsigned __int128)random_u64(r) * n;
        uint64_t low = (uint64_t)m;
        if (low >= n || low >= (0 - n) % n)
            return (uint64_t)(m >> 64);
    }
}

double random_unit(random_stream *r) { return (double)(random_u64(r) >> 11) * 0x1p-53; }

double random_uniform(random_stream *r, double low, double high) { return low + (high - low) * random_unit(r); }

double random_normal(random_stream *r) {
    double u = 1.0 - random_unit(r); /* (0, 1]: the logarithm is finite */
    double v = random_unit(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
