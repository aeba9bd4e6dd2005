/* Softmax cross-entropy with label smoothing s over C classes, two labels a and b, mix m:
 *
 *     t = (1 - s) * (m * onehot(a) + (1 - m) * onehot(b)) + s / C
 *     loss = -sum_j t_j log softmax(logits)_j       dlogits = (softmax - t) * loss_scale / images
 *
 * Equals torch.nn.functional.cross_entropy(label_smoothing=s); Szegedy et al. 2016, Zhang et al. 2018 (mixup). */
#include "backend/ref/ref.h"

#include <math.h>

/** How many classes rank before `label` in a stable descending sort, NaN being the largest; all for a NaN label. */
static int rank_of(const double *logits, int classes, int label) {
    double own = logits[label];
    int before = 0;
    if (isnan(own))
        return classes;
    for (int j = 0; j < classes; j++)
        before += logits[j] > own || isnan(logits[j]) || (logits[j] == own && j < label);
    return before;
}

static double log_sum_exp(const double *logits, int classes) {
    double largest = logits[0], sum = 0;
    for (int j = 1; j < classes; j++)
        largest = logits[j] > largest ? logits[j] : largest;
    if (isinf(largest))
        return largest;
    for (int j = 0; j < classes; j++)
        sum += exp(logits[j] - largest);
    return largest + log(sum);
}

int ref_loss(void *device, const device_loss *l) {
    ref_device *d = device;
    double smoothing = d->hyper.label_smoothing, scale = d->hyper.loss_scale / d->hyper.images;
    for (int n = 0; n < l->n; n++) {
        const double *logits = (const double *)l->logits + (size_t)n * (size_t)l->classes;
        double *dlogits = l->dlogits != NULL ? (double *)l->dlogits + (size_t)n * (size_t)l->classes : NULL;
        double total = log_sum_exp(logits, l->classes), loss = 0;
        for (int j = 0; j < l->classes; j++) {
            double target = smoothing / l->classes;
            target += (1 - smoothing) * d->mix[n] * (j == d->label[n]);
            target += (1 - smoothing) * (1 - d->mix[n]) * (j == d->label_b[n]);
            if (target != 0) /* a class of logit -infinity costs nothing unless it is asked for */
                loss -= target * (logits[j] - total);
            if (dlogits != NULL)
                dlogits[j] = (exp(logits[j] - total) - target) * scale;
        }
        int rank = rank_of(logits, l->classes, d->label[n]);
        d->result.loss_sum += loss;
        d->result.top1 += rank < 1;
        d->result.top5 += rank < 5;
    }
    d->result.images += l->n;
    return 0;
}
