/** A hash that identifies a dataset: class names, image names and image sizes. A folder and the shards packed from it
 * have the same. The content of images is not read.
 *
 *      FNV-1a, 64 bits, over: each class's name, 0; then for each image its name, 0, its size (int64, little-endian)
 *
 *  File sizes need a stat each: a thread asks for them while the run starts. */
#ifndef LINNET_DATASET_FINGERPRINT_H
#define LINNET_DATASET_FINGERPRINT_H

#include "dataset/dataset.h"

#include <pthread.h>

#define FINGERPRINT_BYTES 17 /* 16 hexadecimal digits and 0 */

/** The fingerprint of one dataset, which is borrowed. {0}: no dataset. */
typedef struct fingerprint {
    const dataset *dataset;
    pthread_t thread;
    bool running, stop;
    char value[FINGERPRINT_BYTES];
} fingerprint;

/** Starts the computation in a thread, or computes it in the call if no thread can be started. */
void fingerprint_begin(fingerprint *f, const dataset *d);
/** Waits for the value, which is valid until fingerprint_end. */
const char *fingerprint_value(fingerprint *f);
/** Stops the computation. {0} is allowed. */
void fingerprint_end(fingerprint *f);

#endif
