#include "base/hash.h"

#include <string.h>

#define PRIME UINT64_C(0x100000001b3)

uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n) {
    for (const unsigned char *p = bytes; n > 0; p++, n--)
        h = (h ^ *p) * PRIME;
    return h;
}

uint64_t hash_words(const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    uint64_t h = HASH_START ^ n, word = 0;
    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        h = (h ^ word) * PRIME;
        h ^= h >> 32;
    }
    h = hash_bytes(h, p, n);
    return h ^ h >> 32;
}
