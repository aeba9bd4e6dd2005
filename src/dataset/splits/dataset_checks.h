/** Finds probable mistakes in a dataset that can be read. */
#ifndef LINNET_DATASET_DATASET_CHECKS_H
#define LINNET_DATASET_DATASET_CHECKS_H

#include "base/text.h"
#include "dataset/dataset.h"

/** Describes a dataset that has only one class, and lists the folders below that class, which may be the real classes.
 *  *out is empty if the dataset has more classes. @return 0, E_NOMEM */
int dataset_single_class(text *out, const dataset *d);

/** Lists the classes without images, "circle, ring (12 .jfif)"; *out is empty if there are none. *n: their number.
 *  @return 0, E_NOMEM */
int dataset_absent_classes(text *out, int *n, const dataset *d);

typedef struct dataset_overlap {
    int sampled, same; /* number of validation images that were compared; number of those that are in train */
    int64_t index;     /* index in val of the first image that is in train; -1: none */
} dataset_overlap;

/** Compares up to 64 validation images, evenly spaced, with the training image of the same name. So a copy of the
 *  training set is found, but not images with other names (linnet audit finds those). The classes must be the same
 *  (dataset_use_classes).
 *  @return 0, E_NOMEM, E_IO */
int dataset_find_overlap(dataset_overlap *out, const dataset *train, const dataset *val);

/** Warns about all of these mistakes, and about files that are not read because of their suffix if their number is at
 *  least 1 % of the images. train: NULL if only the validation images are used. @return 0, E_NOMEM, E_IO */
int dataset_warn(const dataset *train, const dataset *val);

#endif
