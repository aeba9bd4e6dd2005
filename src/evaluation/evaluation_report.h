/** The evaluation report: loss, accuracy per class, confusion matrix and calibration. Sums over images. */
#ifndef LINNET_EVALUATION_EVALUATION_REPORT_H
#define LINNET_EVALUATION_EVALUATION_REPORT_H

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

typedef struct evaluation_report {
    int classes;
    char **name;        /* (classes) borrowed */
    int64_t *confusion; /* (classes, classes): images of the row's class that are predicted as the column's */
    int64_t *top5;      /* (classes): images whose class is among the 5 most probable */
    calibration_bin bin[CALIBRATION_BINS];
    metrics sum;
} evaluation_report;

/** @param name (classes) borrowed. @return 0, E_NOMEM; evaluation_report_deinit must be called in either case */
int evaluation_report_init(evaluation_report *a, char **name, int classes);
void evaluation_report_deinit(evaluation_report *a);

/** @param logits (n, classes). @param label (n) */
void evaluation_report_add(evaluation_report *a, const double *logits, const int32_t *label, int n);

/** Sums over all ranks; every rank calls and gets the result. Does nothing for one rank. @return 0, E_RANK, E_DEVICE */
int evaluation_report_join(evaluation_report *a, comm *c);

/** The result for one class. */
typedef struct class_result {
    int index;
    int64_t images, top1, top5;
    int confused;       /* the most frequent wrong prediction; -1: there is none */
    int64_t confused_n; /* how often it occurs */
} class_result;

class_result evaluation_report_class(const evaluation_report *a, int i);
/** All classes by ascending top-1, then top-5, then class index; classes without images last.
 *  @param[out] out (classes), the caller frees it. @return 0, E_NOMEM */
int evaluation_report_worst(class_result **out, const evaluation_report *a);

/** Expected calibration error with 15 bins of equal width (Guo et al. 2017, eq. 3): the sum over the bins of the
 * fraction of images in the bin times |accuracy - mean confidence|. NaN without images. */
double evaluation_report_ece(const evaluation_report *a);

/** Tables, RFC 4180. classes: class,index,images,top1,top5,confused_with,confused_images, in the order of the classes.
 *  confusion: a row per true class, a column per predicted class. calibration: low,high,images,accuracy,confidence; the
 *  last two are empty for an empty bin. @return 0, E_NOMEM */
int evaluation_report_classes_csv(text *out, const evaluation_report *a);
int evaluation_report_confusion_csv(text *out, const evaluation_report *a);
int evaluation_report_calibration_csv(text *out, const evaluation_report *a);

/** Draws the confusion matrix as PNG. @return 0, E_NOMEM, E_UNSUPPORTED (built without cairo) */
int evaluation_report_picture(text *png, const evaluation_report *a);

#endif
