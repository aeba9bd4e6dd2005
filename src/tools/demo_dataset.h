/** The synthetic demo dataset: ROOT/{train,val}/CLASS/NNNN.jpg, 10 classes of shapes and textures with varied colour,
 * size, position, noise and background. A pure function of the seed. */
#ifndef LINNET_TOOLS_DEMO_DATASET_H
#define LINNET_TOOLS_DEMO_DATASET_H

#include <stdint.h>

typedef struct shapes_options {
    int train_n, val_n; /* images per class */
    int size;           /* pixels of the shorter side */
    uint64_t seed;
} shapes_options;

#define SHAPES_CLASSES 10

/** Writes the dataset. @return 0, E_IO, E_FULL, E_NOMEM */
int shapes_write(const char *root, const shapes_options *o);

#endif
