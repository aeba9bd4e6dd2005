/** Softmax, cross-entropy and ranking of one image's logits. This is the only definition, except for a copy in CUDA's
 *  loss.cu. All arithmetic is in double.
 *
 *  Classes are ranked by a stable descending sort of the logits, in which NaN counts as the largest: the larger logit
 *  comes first; equal logits are ordered by class index. With a NaN or +infinity the loss is not finite. */
#ifndef LINNET_BASE_SOFTMAX_H
#define LINNET_BASE_SOFTMAX_H

#include <stdbool.h>
#include <stdint.h>

/** The number of classes ranked before `label`; `classes` if the label's own logit is NaN, so that it never counts
 *  as correct. */
int softmax_rank_f32(const float *logits, int classes, int label);
int softmax_rank_f64(const double *logits, int classes, int label);

/** Whether class j is ranked before class k. */
bool softmax_before(const double *logits, int j, int k);

/** Target distribution with label smoothing s, two labels a and b, mix m (1: a alone):
 *      t = (1 - s) (m onehot(a) + (1 - m) onehot(b)) + s / C */
typedef struct softmax_target {
    int label, label_b;
    double mix, smoothing;
    const double *weight; /* (C) class weights w of the cross-entropy; NULL: all 1 */
} softmax_target;

/** t_j */
static inline double softmax_target_at(const softmax_target *t, int classes, int j) {
    return t->smoothing / classes + (1 - t->smoothing) * (t->mix * (j == t->label) + (1 - t->mix) * (j == t->label_b));
}

/** loss = -sum_j w_j t_j log p_j with p = softmax(logits)
 *  dlogits_k = (p_k sum_j w_j t_j - w_k t_k) * scale, unless dlogits is NULL
 *  Equals torch.nn.functional.cross_entropy(weight=w, label_smoothing=s, reduction="none"); Szegedy et al. 2016, Zhang
 *  et al. 2018 (mixup). */
double softmax_loss_f32(float *dlogits, const float *logits, int classes, const softmax_target *t, double scale);
double softmax_loss_f64(double *dlogits, const double *logits, int classes, const softmax_target *t, double scale);

/** The factor that turns the mean over the n images of a batch into cross_entropy's weighted mean for class labels:
 *  n / sum_i w[label_i]; 0 if all these weights are 0. */
double softmax_weight_factor(const double *weight, const int32_t *label, int n);

/** Sum of exp(logits - *largest): the probability of class j is exp(logits[j] - *largest) / sum. */
double softmax_sum(double *largest, const double *logits, int classes);

#endif
