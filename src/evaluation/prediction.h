/** The prediction for one labelled image: softmax of its logits, the loss, the rank of the true class. */
#ifndef LINNET_EVALUATION_PREDICTION_H
#define LINNET_EVALUATION_PREDICTION_H

typedef struct prediction {
    int predicted;      /* the first class in the order of base/softmax.h */
    double probability; /* of the predicted class */
    double loss;        /* cross-entropy for the true class */
    int rank;           /* of the true class, from 0 */
} prediction;

/** @param logits (classes); smoothing: label smoothing of the loss (base/softmax.h) */
prediction predict_labelled(const double *logits, int classes, int label, double smoothing);

#endif
