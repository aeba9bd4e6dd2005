/** A batch as the loader hands it to an engine. */
#ifndef LINNET_LOADER_BATCH_H
#define LINNET_LOADER_BATCH_H

#include <stdint.h>

typedef struct batch {
    int n;            /* images that count, 1..capacity */
    int capacity;     /* images there is room for */
    int h, w;         /* pixels */
    uint8_t *pixels;  /* (n, h, w, 3) NHWC, RGB, not normalised */
    int32_t *label;   /* (n) class in [0, classes) */
    int32_t *label_b; /* (n) second class; equal to label unless mixup or cutmix is on */
    float *mix;       /* (n) weight of `label`, 1 - mix that of `label_b`; 1 unless mixed */
    int64_t *index;   /* (n) index in the dataset of the image that stands at each place */
} batch;

/** Allocates for `capacity` images of h x w (pixels 64-byte aligned). @return 0, E_NOMEM */
int batch_init(batch *b, int capacity, int h, int w);
void batch_deinit(batch *b);

/** Fills a batch with made-up pixels and labels, a pure function of (seed, number). For benchmarks and tests. */
void batch_synthetic(batch *b, int n, int classes, uint64_t seed, uint64_t number);

#endif
