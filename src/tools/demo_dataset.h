/** The synthetic demo dataset: ROOT/{train,val}/CLASS/NNNN.jpg, 10 classes of shapes and textures with varied colour,
 * size, position, noise and background. A pure function of the seed. */
#ifndef LINNET_TOOLS_DEMO_DATASET_H
#define LINNET_TOOLS_DEMO_DATASET_H

#include <stdint.h>

typedef struct demo_dataset_options {
    int train_n, val_n; /* images per class */
    int size;           /* pixels of the shorter side */
    uint64_t seed;
} demo_dataset_options;

#define DEMO_DATASET_CLASSES 10

/** Writes the dataset. @return 0, E_IO, E_FULL, E_NOMEM */
int demo_dataset_write(const char *root, const demo_dataset_options *o);

#endif
