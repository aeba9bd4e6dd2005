/* Softmax cross-entropy with label smoothing s over C classes, two labels a and b, mix m:
 *
 *     t = (1 - s) * (m * onehot(a) + (1 - m) * onehot(b)) + s / C
 *     loss = -sum_j t_j log softmax(logits)_j       dlogits = (softmax - t) * loss_scale / images
 *
 * Double inside: a batch has few logits. */
#include "backend/cpu/cpu.h"
#include "base/status.h"

#include <math.h>

typedef struct loss_call {
    const cpu_device *device;
    const device_loss *loss;
} loss_call;

/** How many classes rank before `label` in a stable descending sort, NaN being the largest; all for a NaN label. */
static int rank_of(const float *logits, int classes, int label) {
    float own = logits[label];
    int before = 0;
    if (isnan(own))
        return classes;
    for (int j = 0; j < classes; j++)
        before += logits[j] > own || isnan(logits[j]) || (logits[j] == own && j < label);
    return before;
}

static double log_sum_exp(const float *logits, int classes) {
    double largest = (double)logits[0], sum = 0;
    for (int j = 1; j < classes; j++)
        largest = (double)logits[j] > largest ? (double)logits[j] : largest;
    if (isinf(largest))
        return largest;
    for (int j = 0; j < classes; j++)
        sum += exp((double)logits[j] - largest);
    return largest + log(sum);
}

static void image_loss(const loss_call *t, size_t i) {
    const cpu_device *d = t->device;
    int classes = t->loss->classes;
    const float *logits = (const float *)t->loss->logits + i * (size_t)classes;
    float *dlogits = t->loss->dlogits != NULL ? (float *)t->loss->dlogits + i * (size_t)classes : NULL;
    double s = d->hyper.label_smoothing, scale = d->hyper.loss_scale / d->hyper.images, mix = (double)d->mix[i];
    double total = log_sum_exp(logits, classes), loss = 0;
    for (int j = 0; j < classes; j++) {
        double target = s / classes + (1 - s) * (mix * (j == d->label[i]) + (1 - mix) * (j == d->label_b[i]));
        if (target != 0) /* a class of logit -infinity costs nothing unless it is asked for */
            loss -= target * ((double)logits[j] - total);
        if (dlogits != NULL)
            dlogits[j] = (float)((exp((double)logits[j] - total) - target) * scale);
    }
    d->image_loss[i] = loss;
    d->image_rank[i] = rank_of(logits, classes, d->label[i]);
}

static void loss_task(void *context, size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++)
        image_loss(context, i);
}

int cpu_loss(void *device, const device_loss *l) {
    cpu_device *d = device;
    loss_call t = {d, l};
    if (d->label_n != l->n)
        return fail(E_SHAPE, "labels of %d images are loaded, the plan has %d", d->label_n, l->n);
    team_run(d->threads, (size_t)l->n, SIZE_MAX, TEAM_FORWARD, loss_task, &t);
    for (int i = 0; i < l->n; i++) {
        d->result.loss_sum += d->image_loss[i];
        d->result.top1 += d->image_rank[i] < 1;
        d->result.top5 += d->image_rank[i] < 5;
    }
    d->result.images += l->n;
    return OK;
}
