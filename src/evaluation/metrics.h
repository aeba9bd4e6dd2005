/** Loss and accuracy of many images. */
#ifndef LINNET_EVALUATION_METRICS_H
#define LINNET_EVALUATION_METRICS_H

#include <math.h>

/** Sums over images; the functions below give means. */
typedef struct metrics {
    double loss_sum;
    long long images, top1, top5;
} metrics;

static inline void metrics_add(metrics *m, const metrics *more) {
    m->loss_sum += more->loss_sum;
    m->images += more->images;
    m->top1 += more->top1;
    m->top5 += more->top5;
}

static inline double metrics_loss(const metrics *m) { return m->images > 0 ? m->loss_sum / (double)m->images : NAN; }
static inline double metrics_top1(const metrics *m) {
    return m->images > 0 ? (double)m->top1 / (double)m->images : NAN;
}
static inline double metrics_top5(const metrics *m) {
    return m->images > 0 ? (double)m->top5 / (double)m->images : NAN;
}

#endif
