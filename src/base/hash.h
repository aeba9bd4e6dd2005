/** Non-cryptographic hashes. Their values are stored in files and are the same on every little-endian machine. */
#ifndef LINNET_BASE_HASH_H
#define LINNET_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/** FNV-1a, 64 bits, of n bytes, continued from `h`; start with HASH_START. Source: Fowler, Noll, Vo; RFC 9923. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n);

/** A faster variant of FNV-1a for large data: it hashes n and words of 8 bytes, and folds the high half into the low
 *  half after each word. */
uint64_t hash_words(const void *bytes, size_t n);

/** SplitMix64 (Steele, Lea, Flood 2014): value i of stream `key` is splitmix64(key + (i + 1) * SPLITMIX_STEP).
 *  Several times faster than Philox; its quality suffices for noise. */
#define SPLITMIX_STEP UINT64_C(0x9e3779b97f4a7c15)

/** splitmix64 without its last step, which does not change bits 33 to 63. */
static inline uint64_t splitmix64_high(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
}

static inline uint64_t splitmix64(uint64_t z) {
    z = splitmix64_high(z);
    return z ^ (z >> 31);
}

#endif
