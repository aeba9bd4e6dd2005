#include "base/softmax.h"

#include <math.h>
#include <stddef.h>

/* each function is written once for both types: `single` is a constant after inlining */
#define INLINE static inline __attribute__((always_inline))

INLINE double at(const void *logits, int j, bool single) {
    return single ? (double)((const float *)logits)[j] : ((const double *)logits)[j];
}

INLINE bool before(const void *logits, int j, int k, bool single) {
    double x = at(logits, j, single), y = at(logits, k, single);
    bool equal = x == y || (isnan(x) && isnan(y));
    return equal ? j < k : isnan(x) || x > y;
}

INLINE int rank_of(const void *logits, int classes, int label, bool single) {
    int n = 0;
    if (isnan(at(logits, label, single)))
        return classes;
    for (int j = 0; j < classes; j++)
        n += before(logits, j, label, single);
    return n;
}

INLINE double largest_of(const void *logits, int classes, bool single) {
    double largest = at(logits, 0, single);
    for (int j = 1; j < classes; j++)
        largest = at(logits, j, single) > largest ? at(logits, j, single) : largest;
    return largest;
}

INLINE double exp_sum(const void *logits, int classes, double largest, bool single) {
    double sum = 0;
    for (int j = 0; j < classes; j++)
        sum += exp(at(logits, j, single) - largest);
    return sum;
}

INLINE double log_sum_exp(const void *logits, int classes, bool single) {
    double largest = largest_of(logits, classes, single);
    return isinf(largest) ? largest : largest + log(exp_sum(logits, classes, largest, single));
}

INLINE double weighted_target(const softmax_target *t, int classes, int j) {
    return (t->weight != NULL ? t->weight[j] : 1) * softmax_target_at(t, classes, j);
}

/** sum_j w_j t_j; exactly 1 without weights. */
INLINE double weighted_mass(const softmax_target *t, int classes) {
    double mass = t->weight == NULL;
    for (int j = 0; t->weight != NULL && j < classes; j++)
        mass += weighted_target(t, classes, j);
    return mass;
}

INLINE double loss_of(void *dlogits, const void *logits, int classes, const softmax_target *t, double scale,
                      bool single) {
    double total = log_sum_exp(logits, classes, single), mass = weighted_mass(t, classes), loss = 0;
    for (int j = 0; j < classes; j++) {
        double z = at(logits, j, single), target = weighted_target(t, classes, j);
        if (target != 0) /* avoids 0 * infinity for a class with logit -infinity */
            loss -= target * (z - total);
        if (dlogits != NULL && single)
            ((float *)dlogits)[j] = (float)((exp(z - total) * mass - target) * scale);
        else if (dlogits != NULL)
            ((double *)dlogits)[j] = (exp(z - total) * mass - target) * scale;
    }
    return loss;
}

int softmax_rank_f32(const float *logits, int classes, int label) { return rank_of(logits, classes, label, true); }
int softmax_rank_f64(const double *logits, int classes, int label) { return rank_of(logits, classes, label, false); }

bool softmax_before(const double *logits, int j, int k) { return before(logits, j, k, false); }

double softmax_loss_f32(float *dlogits, const float *logits, int classes, const softmax_target *t, double scale) {
    return loss_of(dlogits, logits, classes, t, scale, true);
}

double softmax_loss_f64(double *dlogits, const double *logits, int classes, const softmax_target *t, double scale) {
    return loss_of(dlogits, logits, classes, t, scale, false);
}

double softmax_weight_factor(const double *weight, const int32_t *label, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += weight[label[i]];
    return sum > 0 ? n / sum : 0;
}

double softmax_sum(double *largest, const double *logits, int classes) {
    *largest = largest_of(logits, classes, false);
    return exp_sum(logits, classes, *largest, false);
}
