/* The loss and the rank of the label for every image; formulas: base/softmax.h, base/bce.h. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "base/status.h"

#include <string.h>

int cpu_set_class_weights(void *device, const double *weight, int n) {
    cpu_device *d = device;
    int rc = OK;
    TRY(memory_resize(&d->class_weight, (size_t)n, sizeof *d->class_weight));
    memcpy(d->class_weight, weight, (size_t)n * sizeof *weight);
done:
    return rc;
}

typedef struct loss_call {
    const cpu_device *device;
    const device_loss *loss;
    const double *weight; /* NULL: not weighted */
    double factor;        /* of the mean over the weights (softmax_weight_factor) */
} loss_call;

static void image_loss(const loss_call *t, size_t i) {
    const cpu_device *d = t->device;
    int classes = t->loss->classes;
    double scale = t->factor * d->hyper.loss_scale / d->hyper.images;
    const float *logits = (const float *)t->loss->logits + i * (size_t)classes;
    float *dlogits = t->loss->dlogits != NULL ? (float *)t->loss->dlogits + i * (size_t)classes : NULL;
    softmax_target target = {d->label[i], d->label_b[i], (double)d->mix[i], d->hyper.label_smoothing, t->weight};
    const engine_loss_options *o = &d->hyper.loss;
    d->image_loss[i] = t->factor * (o->binary ? bce_loss_f32(dlogits, logits, classes, &target, &o->bce, scale)
                                              : softmax_loss_f32(dlogits, logits, classes, &target, scale));
    d->image_rank[i] = softmax_rank_f32(logits, classes, d->label[i]);
}

static void loss_task(void *context, size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++)
        image_loss(context, i);
}

int cpu_loss(void *device, const device_loss *l) {
    cpu_device *d = device;
    const engine_loss_options *o = &d->hyper.loss;
    loss_call t = {d, l, o->weighted ? d->class_weight : NULL, 1};
    if (d->label_n != l->n)
        return fail(E_SHAPE, "labels of %d images are loaded, but the plan has %d", d->label_n, l->n);
    if (o->weighted && !o->soft && !o->binary)
        t.factor = softmax_weight_factor(t.weight, d->label, l->n);
    parallel_for(d->threads, (size_t)l->n, SIZE_MAX, LOOP_FORWARD, loss_task, &t);
    for (int i = 0; i < l->n; i++) {
        d->result.loss_sum += d->image_loss[i];
        d->result.top1 += d->image_rank[i] < 1;
        d->result.top5 += d->image_rank[i] < 5;
    }
    d->result.images += l->n;
    return OK;
}
