/** Softmax, cross-entropy and ranking of one image's logits. This is the only definition, except for a copy in CUDA's
 *  loss.cu. All arithmetic is in double.
 *
 *  Classes are ranked by a stable descending sort of the logits, in which NaN counts as the largest: the larger logit
 *  comes first; equal logits are ordered by class index. With a NaN or +infinity the loss is not finite. */
#ifndef LINNET_BASE_SOFTMAX_H
#define LINNET_BASE_SOFTMAX_H

#include <stdbool.h>

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
} softmax_target;

/** loss = -sum_j t_j log softmax(logits)_j       dlogits = (softmax - t) * scale, unless dlogits is NULL
 *  Equals torch.nn.functional.cross_entropy(label_smoothing=s); Szegedy et al. 2016, Zhang et al. 2018 (mixup). */
double softmax_loss_f32(float *dlogits, const float *logits, int classes, const softmax_target *t, double scale);
double softmax_loss_f64(double *dlogits, const double *logits, int classes, const softmax_target *t, double scale);

/** Sum of exp(logits - *largest): the probability of class j is exp(logits[j] - *largest) / sum. */
double softmax_sum(double *largest, const double *logits, int classes);

#endif
