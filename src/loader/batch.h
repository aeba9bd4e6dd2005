/** A batch of images and labels: the loader's output and the engine's input. */
#ifndef LINNET_LOADER_BATCH_H
#define LINNET_LOADER_BATCH_H

#include <stdint.h>

typedef struct batch {
    int n;            /* images in use, 1..capacity */
    int capacity;     /* images allocated */
    int h, w;         /* height and width in pixels */
    uint8_t *pixels;  /* (n, h, w, 3) NHWC, RGB, not normalised */
    int32_t *label;   /* (n) class in [0, classes) */
    int32_t *label_b; /* (n) second class; equal to label unless mixup or cutmix is on */
    float *mix;       /* (n) weight of `label`; `label_b` has weight 1 - mix. 1 unless mixed */
    int64_t *index;   /* (n) dataset index of the image at each position */
} batch;

/** Allocates memory for `capacity` images of h x w; the pixels are aligned to 64 bytes. @return 0, E_NOMEM */
int batch_init(batch *b, int capacity, int h, int w);
void batch_deinit(batch *b);

/** Fills a batch with synthetic pixels and labels, a pure function of (seed, number). For benchmarks and tests. */
void batch_synthetic(batch *b, int n, int classes, uint64_t seed, uint64_t number);

#endif
