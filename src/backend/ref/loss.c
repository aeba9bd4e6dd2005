/* The loss and the rank of the label for every image; formulas: base/softmax.h, base/bce.h. */
#include "backend/ref/ref.h"
#include "base/memory.h"
#include "base/status.h"

#include <string.h>

int ref_set_class_weights(void *device, const double *weight, int n) {
    ref_device *d = device;
    int rc = OK;
    TRY(memory_resize(&d->class_weight, (size_t)n, sizeof *d->class_weight));
    memcpy(d->class_weight, weight, (size_t)n * sizeof *weight);
done:
    return rc;
}

int ref_loss(void *device, const device_loss *l) {
    ref_device *d = device;
    const engine_loss_options *o = &d->hyper.loss;
    const double *weight = o->weighted ? d->class_weight : NULL;
    double factor = o->weighted && !o->soft && !o->binary ? softmax_weight_factor(weight, d->label, l->n) : 1;
    double scale = factor * d->hyper.loss_scale / d->hyper.images;
    for (int n = 0; n < l->n; n++) {
        const double *logits = (const double *)l->logits + (size_t)n * (size_t)l->classes;
        double *dlogits = l->dlogits != NULL ? (double *)l->dlogits + (size_t)n * (size_t)l->classes : NULL;
        softmax_target t = {d->label[n], d->label_b[n], d->mix[n], d->hyper.label_smoothing, weight};
        int rank = softmax_rank_f64(logits, l->classes, d->label[n]);
        d->result.loss_sum += factor * (o->binary ? bce_loss_f64(dlogits, logits, l->classes, &t, &o->bce, scale)
                                                  : softmax_loss_f64(dlogits, logits, l->classes, &t, scale));
        d->result.top1 += rank < 1;
        d->result.top5 += rank < 5;
    }
    d->result.images += l->n;
    return 0;
}
