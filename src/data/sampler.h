/** The order in which an epoch visits the images: a pure function of (seed, epoch). */
#ifndef LINNET_DATA_SAMPLER_H
#define LINNET_DATA_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

/** order[0..n) becomes a permutation of 0..n-1 (Fisher-Yates over RANDOM_SHUFFLE), or 0..n-1 when !shuffle. n < 2^32.
 */
void sampler_epoch(uint32_t *order, int64_t n, uint64_t seed, uint32_t epoch, bool shuffle);

#endif
