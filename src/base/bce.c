#include "base/bce.h"

#include <math.h>
#include <stddef.h>

typedef struct bce_term {
    double loss, gradient;
} bce_term;

/** The class j with the logit z. */
static bce_term term_of(double z, int j, int classes, const softmax_target *of, const bce_options *o) {
    double t = softmax_target_at(of, classes, j), e = exp(-fabs(z));
    double weight = (of->weight != NULL ? of->weight[j] : 1) / (o->sum ? 1 : classes);
    if (o->threshold >= 0)
        t = t > o->threshold;
    double sigmoid = z >= 0 ? 1 / (1 + e) : e / (1 + e);
    return (bce_term){weight * ((z > 0 ? z : 0) - z * t + log1p(e)), weight * (sigmoid - t)};
}

double bce_loss_f32(float *dlogits, const float *logits, int classes, const softmax_target *of, const bce_options *o,
                    double scale) {
    double loss = 0;
    for (int j = 0; j < classes; j++) {
        bce_term term = term_of((double)logits[j], j, classes, of, o);
        loss += term.loss;
        if (dlogits != NULL)
            dlogits[j] = (float)(term.gradient * scale);
    }
    return loss;
}

double bce_loss_f64(double *dlogits, const double *logits, int classes, const softmax_target *of, const bce_options *o,
                    double scale) {
    double loss = 0;
    for (int j = 0; j < classes; j++) {
        bce_term term = term_of(logits[j], j, classes, of, o);
        loss += term.loss;
        if (dlogits != NULL)
            dlogits[j] = term.gradient * scale;
    }
    return loss;
}
