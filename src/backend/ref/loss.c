/* Softmax cross-entropy and rank of the label for every image; formulas: base/softmax.h. */
#include "backend/ref/ref.h"
#include "base/softmax.h"

int ref_loss(void *device, const device_loss *l) {
    ref_device *d = device;
    for (int n = 0; n < l->n; n++) {
        const double *logits = (const double *)l->logits + (size_t)n * (size_t)l->classes;
        double *dlogits = l->dlogits != NULL ? (double *)l->dlogits + (size_t)n * (size_t)l->classes : NULL;
        softmax_target t = {d->label[n], d->label_b[n], d->mix[n], d->hyper.label_smoothing};
        int rank = softmax_rank_f64(logits, l->classes, d->label[n]);
        d->result.loss_sum += softmax_loss_f64(dlogits, logits, l->classes, &t, d->hyper.loss_scale / d->hyper.images);
        d->result.top1 += rank < 1;
        d->result.top5 += rank < 5;
    }
    d->result.images += l->n;
    return 0;
}
