/** Throughput of the data pipeline alone, without a model: read, decode, crop, resize into batches, as in training. */
#ifndef LINNET_TOOLS_BENCH_DATA_H
#define LINNET_TOOLS_BENCH_DATA_H

#include "config/config.h"

#include <stdbool.h>
#include <stdint.h>

/** When the measurement ends: after the first batch that reaches one of these limits; after one epoch if both are 0. */
typedef struct bench_data_limit {
    int64_t images;
    double seconds;
} bench_data_limit;

typedef struct bench_data_result {
    int64_t images;     /* delivered during the measurement */
    double seconds;     /* wall time */
    double cpu_seconds; /* user and system time of all threads */
    double file_bytes;  /* mean file size in the split, from a sample of at most 1,000 files */
    int64_t dataset_n;  /* images in the split */
    int64_t bad;        /* distinct unreadable images */
    int workers, batch, image_size;
    bool fast_decode;
} bench_data_result;

/** Opens `split` ("train": random crops; else the validation transform) of the dataset in c and runs its loader: some
 *  hundred images as warm-up, then from the beginning of the next epoch until the limit (through several epochs if
 *  necessary). Files come from the disk unless they are in the system's cache. @return 0, or the error of the dataset
 * or loader */
int bench_data(bench_data_result *out, const config *c, const char *split, bench_data_limit limit);

#endif
