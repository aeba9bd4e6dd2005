/** Throughput of the image pipeline alone: read, decode, crop, resize into batches, as a run's loader does it; no
 * model.
 */
#ifndef LINNET_TOOLS_BENCH_DATA_H
#define LINNET_TOOLS_BENCH_DATA_H

#include "config/config.h"

#include <stdbool.h>
#include <stdint.h>

/** When the measured part ends: at the end of the first batch that reaches one of them; one epoch when all are 0. */
typedef struct bench_data_limit {
    int64_t images;
    double seconds;
} bench_data_limit;

typedef struct bench_data_result {
    int64_t images;     /* delivered in the measured part */
    double seconds;     /* wall */
    double cpu_seconds; /* user and system, of all threads */
    double file_bytes;  /* mean size of the split's files, of up to 1,000 spread over it */
    int64_t dataset_n;  /* images in the split */
    int64_t bad;        /* distinct unreadable images met */
    int workers, batch, image_size;
    bool fast_decode;
} bench_data_result;

/** Opens `split` ("train": random crops; else the validation's transform) of c's dataset and runs its loader: some
 *  hundred images to warm up, then from the beginning of the next epoch to the limit (on into further epochs). Only
 * what the warm-up or the system's cache holds is read from memory. @return 0, or the error of the dataset or loader */
int bench_data(bench_data_result *out, const config *c, const char *split, bench_data_limit limit);

#endif
