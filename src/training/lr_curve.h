/** The arithmetic of the learning-rate range test, independent of training: rates, smoothing, early stop, suggestion.
 *  Source: Smith 2015, "Cyclical learning rates for training neural networks"; equals Lightning's lr_find. */
#ifndef LINNET_TRAINING_LR_CURVE_H
#define LINNET_TRAINING_LR_CURVE_H

#include <stdbool.h>

typedef struct lr_curve {
    int n, capacity;
    double *lr, *loss, *smoothed; /* (capacity), n of them set */
    double average, best;
} lr_curve;

enum { LR_CURVE_SKIP = 10 };      /* first points that Lightning's rule ignores */
enum { LR_CURVE_VALLEY_END = 5 }; /* last points that the valley ignores */

/** @return 0, E_NOMEM */
int lr_curve_init(lr_curve *c, int steps);
void lr_curve_deinit(lr_curve *c);

/** Rate of step k of `steps`: low, then low * (high / low)^((k + 1) / steps). */
double lr_curve_rate(double low, double high, int steps, int k);

/** Records the loss of the next step: average = 0.98 * average + 0.02 * loss; smoothed = average / (1 - 0.98^(n + 2)),
 *  n from 0 (Lightning's step is already 1 after the first batch).
 *  @param stop the sweep ends when the smoothed loss exceeds this multiple of its lowest; 0: never
 *  @return true when the sweep should end */
bool lr_curve_add(lr_curve *c, double lr, double loss, double stop);

/** Point i of a smoothed curve without the bias of the formula above, which makes the first points too low. */
double lr_curve_unbiased(const double *smoothed, int i);

/** The steepest decrease: the index with the most negative gradient per index of `smoothed`, from point `from` on
 *  (Lightning: LR_CURVE_SKIP), without the last point and those that are not finite (in float, as in Lightning).
 * *slope: that gradient. @return -1 if fewer than 2 points are left */
int lr_curve_suggest(double *slope, const double *smoothed, int from, int n);

/** The valley: the index at the middle of the longest decreasing subsequence of a smoothed curve, without its first
 *  tenth, its last LR_CURVE_VALLEY_END points and those that are not finite. The curve is taken without bias
 *  (lr_curve_unbiased). Source: fastai, callback/schedule.py, `valley`.
 *  @param[out] at  -1: fewer than 2 points are left. @return 0, E_NOMEM */
int lr_curve_valley(int *at, const double *smoothed, int n);

#endif
