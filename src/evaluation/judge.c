#include "evaluation/judge.h"

#include <math.h>

judgement judge(const double *logits, int classes, int label) {
    const double *z = logits;
    judgement j = {0};
    double sum = 0;
    for (int k = 1; k < classes; k++)
        if (z[k] > z[j.predicted])
            j.predicted = k;
    for (int k = 0; k < classes; k++) {
        sum += exp(z[k] - z[j.predicted]);
        j.rank += k != label && (!(z[k] <= z[label]) || (z[k] == z[label] && k < label));
    }
    j.probability = 1 / sum;
    j.loss = log(sum) - (z[label] - z[j.predicted]);
    if (isnan(j.loss))
        j.loss = INFINITY;
    return j;
}
