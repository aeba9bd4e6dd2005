/** Binary cross-entropy of one image's logits: each class is a decision of its own. This is the only definition, except
 *  for a copy in CUDA's loss.cu. All arithmetic is in double. */
#ifndef LINNET_BASE_BCE_H
#define LINNET_BASE_BCE_H

#include "base/softmax.h"

typedef struct bce_options {
    bool sum;         /* the loss is the sum over the classes, else their mean */
    double threshold; /* targets above it become 1, the others 0; negative: targets stay as they are */
} bce_options;

/** With the targets t and class weights w of `of`, and l_j = max(z_j, 0) - z_j t_j + log(1 + exp(-|z_j|)):
 *      loss = sum_j w_j l_j / C      dlogits_j = w_j (sigmoid(z_j) - t_j) / C * scale, unless dlogits is NULL
 *  Without / C if o->sum. Equals timm.loss.BinaryCrossEntropy(smoothing, target_threshold, weight, sum_classes);
 * Wightman et al. 2021. With a NaN or an infinity the loss is not finite. */
double bce_loss_f32(float *dlogits, const float *logits, int classes, const softmax_target *of, const bce_options *o,
                    double scale);
double bce_loss_f64(double *dlogits, const double *logits, int classes, const softmax_target *of, const bce_options *o,
                    double scale);

#endif
