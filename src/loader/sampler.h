/** The order of the images in an epoch: a pure function of (seed, epoch), and with several hosts that read sequentially
 *  also of sampler_hosts. */
#ifndef LINNET_LOADER_SAMPLER_H
#define LINNET_LOADER_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

/** Sets order[0..n) to a permutation of 0..n-1 (Fisher-Yates over RANDOM_SHUFFLE), or to 0..n-1 without shuffle.
 *  n < 2^32. */
void sampler_epoch(uint32_t *order, int64_t n, uint64_t seed, uint32_t epoch, bool shuffle);

/** Repeated augmentation (Hoffer et al. 2020), torchvision's RASampler: the first ceil(n / repeats) images of the order
 *  fill all positions, `repeats` times each. As in RASampler on several GPUs, the positions of one image are `group`
 *  apart: `repeats` consecutive batches of `group` images have the same images, each with its own draws.
 *  @param order in: any order; out: with repeats */
void sampler_repeat(uint32_t *order, int64_t n, int64_t repeats, int64_t group);

/** The images of a class, n from index `first` on, and the sum of the weights of the classes up to and with it. */
typedef struct class_share {
    int64_t first, n;
    double end;
} class_share;

/** The classes for sampler_balanced; class k has the weight n_k^(1 - balance), or 0 without images.
 *  @param class_n (classes) images of each class, in the order of their indices */
void sampler_shares(class_share *share, const int64_t *class_n, int classes, double balance);

/** Weighted sampling with replacement: each of the n positions has an image of a class that is drawn with a probability
 *  proportional to the weight of the class; all images of a class are equally likely. So each image has the weight
 *  n_k^-balance of torch's WeightedRandomSampler. balance 0: all images are equally likely; 1: all classes are. A pure
 *  function of (seed, epoch). @param order out: (n) */
void sampler_balanced(uint32_t *order, int64_t n, const class_share *share, int classes, uint64_t seed, uint32_t epoch);

/** The weaker shuffle through a shuffle buffer, for images that are read sequentially: position p takes one of the
 *  unused entries among the first p + buffer of the stream. So an image near the end of the stream cannot come early.
 *  A pure function of the stream and (seed, epoch, host). @param order in: the stream; out: the order */
void sampler_buffered(uint32_t *order, int64_t n, uint64_t seed, uint32_t epoch, int host, int64_t buffer);

/** The stream for sampler_buffered: the shards in an order that depends on (seed, epoch), and the images of each shard
 *  in the order of their locations.
 *  @param by_location (n) all images, in the order of their locations in the shards
 *  @param shard_first (shard_n + 1) index in by_location at which each shard begins
 *  @param shards (shard_n) workspace */
void sampler_stream(uint32_t *stream, uint32_t *shards, const uint32_t *by_location, const int64_t *shard_first,
                    int shard_n, uint64_t seed, uint32_t epoch);

/** The hosts that compute the batches of an epoch: batch b is computed on host of[b % step_n]. The stream is cut into
 *  one contiguous part for each host, in the order of the hosts, with as many images as the host's batches have. */
typedef struct sampler_hosts {
    const int *of; /* (step_n) from 0 to n - 1. Borrowed */
    int step_n, n;
} sampler_hosts;

/** Number of images of `host` in the first `batches` batches of an epoch of n images. The epoch's last batch may be
 *  short; `batches` may exceed their number. */
int64_t sampler_host_images(const sampler_hosts *s, int host, int64_t batches, int64_t batch_size, int64_t n);

/** Fills the positions of each host's batches, in order, with the images of its part.
 *  @param parts (n) the parts of all hosts, one after the other
 *  @param order out: (n) */
void sampler_deal(uint32_t *order, const uint32_t *parts, int64_t n, int64_t batch_size, const sampler_hosts *s);

#endif
