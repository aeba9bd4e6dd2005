/** The order in which an epoch visits the images: a pure function of (seed, epoch). */
#ifndef LINNET_LOADER_SAMPLER_H
#define LINNET_LOADER_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

/** order[0..n) becomes a permutation of 0..n-1 (Fisher-Yates over RANDOM_SHUFFLE), or 0..n-1 when !shuffle. n < 2^32.
 */
void sampler_epoch(uint32_t *order, int64_t n, uint64_t seed, uint32_t epoch, bool shuffle);

/** Repeated augmentation (Hoffer et al. 2020), torchvision's RASampler: the first ceil(n / repeats) images of the order
 *  take all of it. As there on several GPUs, the places of one image are `group` apart: `repeats` consecutive batches
 * of that size hold the same images, each with its own draws. @param order in: any order; out: with repeats */
void sampler_repeat(uint32_t *order, int64_t n, int64_t repeats, int64_t group);

/** The weaker shuffle of a shuffle buffer, for images that are read one after the other: order[0..n) holds a stream,
 * and place p takes one of the entries p .. p + buffer - 1 that are not used yet. An image of the stream's end cannot
 * come early. @param order in: the stream; out: the order. A pure function of the stream and (seed, epoch). */
void sampler_buffered(uint32_t *order, int64_t n, uint64_t seed, uint32_t epoch, int64_t buffer);

/** The stream for it: by_place (n) holds all images as they lie in the shards, shard_first (shard_n + 1) where each
 *  shard begins there; out come the shards in an order of (seed, epoch), each as it lies.
 *  @param shards (shard_n) work space */
void sampler_stream(uint32_t *stream, uint32_t *shards, const uint32_t *by_place, const int64_t *shard_first,
                    int shard_n, uint64_t seed, uint32_t epoch);

#endif
