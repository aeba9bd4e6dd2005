/** Random numbers as a pure function of seed, epoch, index and purpose: Philox4x32-10.
 *  Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
 *  There is no shared state, so threads, ranks and resumed runs draw the same numbers. */
#ifndef LINNET_BASE_RANDOM_H
#define LINNET_BASE_RANDOM_H

#include <stdint.h>

/** The purpose of a stream. It is part of the key, so streams differ. Resumed runs depend on these values: never
 *  renumber them. */
typedef enum random_purpose {
    RANDOM_INIT = 1,      /* weights; index = parameter */
    RANDOM_SHUFFLE = 2,   /* order of an epoch */
    RANDOM_CROP = 3,      /* crop and flip; index = position in the epoch's order */
    RANDOM_SHAPES = 4,    /* the demo dataset; index = image */
    RANDOM_SYNTHETIC = 5, /* bench batches */
    RANDOM_MIX = 6,       /* mixup and cutmix; index = batch of the epoch */
    RANDOM_DROP_PATH = 7, /* stochastic depth; index = batch of the epoch */
    RANDOM_TEST = 100
} random_purpose;

typedef struct random_stream {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    int left; /* numbers of `block` not yet returned */
} random_stream;

/** The stream of (seed, epoch, index, purpose). epoch < 2^24. */
random_stream random_open(uint64_t seed, uint32_t epoch, uint64_t index, random_purpose purpose);

uint32_t random_u32(random_stream *r);
/** Uniform in [0, n), unbiased; n > 0. */
uint64_t random_below(random_stream *r, uint64_t n);
/** Uniform in [0, 1), 53 bits. */
double random_unit(random_stream *r);
double random_uniform(random_stream *r, double low, double high);
/** Standard normal (Box-Muller). */
double random_normal(random_stream *r);

/** One block of Philox4x32-10, for tests against the published vectors. */
void random_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

#endif
