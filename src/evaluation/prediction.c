#include "evaluation/prediction.h"

#include "base/softmax.h"

#include <math.h>
#include <stddef.h>

prediction predict_labelled(const double *logits, int classes, int label, double smoothing) {
    prediction j = {.rank = softmax_rank_f64(logits, classes, label)};
    double largest = 0, sum = softmax_sum(&largest, logits, classes);
    for (int k = 1; k < classes; k++)
        if (softmax_before(logits, k, j.predicted))
            j.predicted = k;
    j.probability = exp(logits[j.predicted] - largest) / sum;
    softmax_target target = {.label = label, .label_b = label, .mix = 1, .smoothing = smoothing};
    j.loss = softmax_loss_f64(NULL, logits, classes, &target, 1);
    return j;
}
