/** The misclassified validation images with the highest loss. */
#ifndef LINNET_EVALUATION_MISCLASSIFIED_H
#define LINNET_EVALUATION_MISCLASSIFIED_H

#include "base/text.h"
#include "dataset/dataset.h"
#include "distributed/communicator.h"
#include "image/contact_sheet.h"
#include "loader/batch.h"

typedef struct misclassified_image {
    int64_t index; /* in the validation set */
    int predicted;
    double probability; /* of the predicted class */
    double loss;        /* cross-entropy for the true class */
} misclassified_image;

typedef struct misclassified {
    int n, capacity;
    misclassified_image *list; /* (capacity) highest loss first; for equal loss in the order of the dataset */
} misclassified;

/** @return 0, E_NOMEM */
int misclassified_init(misclassified *m, int capacity);
void misclassified_deinit(misclassified *m);

/** Adds the misclassified images of a batch. @param logits (b->n, classes) */
void misclassified_add(misclassified *m, const double *logits, int classes, const batch *b);

/** Merges the lists of all ranks; every rank calls and gets the result. @return 0, E_NOMEM, E_RANK, E_DEVICE */
int misclassified_join(misclassified *m, comm *c);

enum { MISCLASSIFIED_SIZE = 112, MISCLASSIFIED_COLUMNS = 6 };
/** The table of worst.csv: file, true, predicted, probability, loss; RFC 4180. */
int misclassified_csv(text *out, const misclassified *m, const dataset *val);
/** Their thumbnails, MISCLASSIFIED_SIZE pixels wide, MISCLASSIFIED_COLUMNS per row; an image that cannot be read is
 * black. */
int misclassified_sheet(contact_sheet *out, const misclassified *m, const dataset *val);

#endif
