/** What tells one dataset from another: the names of its classes, the names and sizes of its images. A folder and the
 *  shards packed of it have the same. What the images show is not looked at.
 *
 *      FNV-1a, 64 bits, over: each class's name, 0; then for each image its name, 0, its size (int64, little-endian)
 *
 *  Sizes of files take a stat each: a thread of its own asks for them while the run starts. */
#ifndef LINNET_DATASET_FINGERPRINT_H
#define LINNET_DATASET_FINGERPRINT_H

#include "dataset/dataset.h"

#include <pthread.h>

#define FINGERPRINT_BYTES 17 /* 16 hexadecimal digits and 0 */

/** Of one dataset, which is borrowed. {0} is none. */
typedef struct fingerprint {
    const dataset *dataset;
    pthread_t thread;
    bool running, stop;
    char value[FINGERPRINT_BYTES];
} fingerprint;

/** Begins; where no thread is to be had, it is computed here. */
void fingerprint_begin(fingerprint *f, const dataset *d);
/** Waits for it. Valid until fingerprint_end. */
const char *fingerprint_value(fingerprint *f);
/** Ends what still runs. Harmless for {0}. */
void fingerprint_end(fingerprint *f);

#endif
