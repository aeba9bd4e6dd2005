/** A hash of the images of a step and their order. It is the same on any number of ranks.
 *
 *      sum over the step's positions of mix(position * 2^32 + image), modulo 2^48
 *
 *  position: in the epoch's order; image: dataset index of the image that was trained on (after the replacement of a
 *  bad image); mix(x): splitmix64(x + SPLITMIX_STEP) of base/hash.h. Each rank adds its own positions. The order of the
 *  additions has no effect; the order of the images has, because the position is part of each term. 48 bits are exact
 *  in a double. */
#ifndef LINNET_LOADER_SAMPLES_H
#define LINNET_LOADER_SAMPLES_H

#include <stdint.h>

/** The hash of two parts of a step; 0 is the hash of no images. */
static inline uint64_t samples_join(uint64_t a, uint64_t b) { return (a + b) & ((UINT64_C(1) << 48) - 1); }

/** The hash of the images index[0..n) at the positions `first`, `first` + 1, ... of the epoch's order. */
uint64_t samples_hash(int64_t first, const int64_t *index, int n);

#endif
