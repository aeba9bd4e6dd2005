/** A hash of which images a step had, in which order: equal for equal steps, however their places lie on ranks.
 *
 *      sum over the step's places of mix(place * 2^32 + image), modulo 2^48
 *
 *  place: in the epoch's order; image: its index in the dataset, as it was trained on (a readable one in place of a bad
 *  one); mix(x): splitmix64(x + SPLITMIX_STEP) of base/hash.h. Each rank adds its own places, and the order of
 *  additions does not matter; that of images does, as each goes in with its place. 48 bits: exact in a double. */
#ifndef LINNET_LOADER_SAMPLES_H
#define LINNET_LOADER_SAMPLES_H

#include <stdint.h>

/** Of two parts of a step; 0 is none. */
static inline uint64_t samples_join(uint64_t a, uint64_t b) { return (a + b) & ((UINT64_C(1) << 48) - 1); }

/** Of the images index (n), which stand at the places `first`, `first` + 1, .. of the epoch's order. */
uint64_t samples_hash(int64_t first, const int64_t *index, int n);

#endif
