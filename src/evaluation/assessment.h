/** What an evaluation tells beside loss and accuracy: each class's accuracy, what is taken for what, and how far the
 *  probabilities can be trusted. Sums over images, each once. */
#ifndef LINNET_EVALUATION_ASSESSMENT_H
#define LINNET_EVALUATION_ASSESSMENT_H

#include "base/text.h"
#include "distributed/communicator.h"
#include "evaluation/metrics.h"

#include <stdint.h>

enum { CALIBRATION_BINS = 15 };

/** Images whose confidence (the probability of the predicted class) lies in (b / 15, (b + 1) / 15]. */
typedef struct calibration_bin {
    int64_t n, right;
    double confidence; /* sum */
} calibration_bin;

typedef struct assessment {
    int classes;
    char **name;        /* (classes) borrowed */
    int64_t *confusion; /* (classes, classes): images of a row's class that are taken for the column's */
    int64_t *top5;      /* (classes): images whose class is among the 5 most probable */
    calibration_bin bin[CALIBRATION_BINS];
    metrics sum;
} assessment;

/** @param name (classes) borrowed. @return 0, E_NOMEM; assessment_deinit is due either way */
int assessment_init(assessment *a, char **name, int classes);
void assessment_deinit(assessment *a);

/** @param logits (n, classes). @param label (n) */
void assessment_add(assessment *a, const double *logits, const int32_t *label, int n);

/** Every rank's become the sum of all ranks'; for one rank nothing changes. Every rank comes here.
 *  @return 0, E_RANK, E_DEVICE */
int assessment_join(assessment *a, comm *c);

/** One class's part. */
typedef struct class_result {
    int index;
    int64_t images, top1, top5;
    int confused;       /* the class that most of its wrong ones are taken for; -1: none is wrong */
    int64_t confused_n; /* so many of them */
} class_result;

class_result assessment_class(const assessment *a, int i);
/** All classes, the lowest top-1 first, then the lowest top-5, then in their order; those without an image last.
 *  @param[out] out (classes), the caller frees it. @return 0, E_NOMEM */
int assessment_worst(class_result **out, const assessment *a);

/** Expected calibration error with 15 bins of equal width (Guo et al. 2017, eq. 3): over the bins, the share of the
 *  images in it times |accuracy - mean confidence|. NaN without images. */
double assessment_ece(const assessment *a);

/** Tables, RFC 4180. classes: class,index,images,top1,top5,confused_with,confused_images, in the order of the classes.
 *  confusion: a row for each true class, a column for each predicted one. calibration: low,high,images,accuracy,
 *  confidence; the last two empty for an empty bin. @return 0, E_NOMEM */
int assessment_classes_csv(text *out, const assessment *a);
int assessment_confusion_csv(text *out, const assessment *a);
int assessment_calibration_csv(text *out, const assessment *a);

/** The confusion matrix as a picture. @return 0, E_NOMEM, E_UNSUPPORTED (built without cairo) */
int assessment_picture(text *png, const assessment *a);

#endif
