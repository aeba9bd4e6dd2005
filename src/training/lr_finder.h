/** The learning-rate range test (Lightning's lr_find): some steps with an increasing learning rate, from the current
 *  weights, which are restored afterwards. */
#ifndef LINNET_TRAINING_LR_FINDER_H
#define LINNET_TRAINING_LR_FINDER_H

#include "base/text.h"
#include "logging/progress.h"
#include "training/lr_curve.h"
#include "training/run_context.h"

typedef struct lr_finding {
    lr_curve *sweep;             /* (sweeps) */
    int sweeps;                  /* number of sweeps */
    double *low, *median, *high; /* (n) of the smoothed losses over the sweeps; an ended sweep counts as infinite */
    int n;                       /* points of the longest sweep */
    double suggestion, loss;     /* learning rate, NaN: none; median loss there */
    double plain;  /* the suggestion of Lightning's rule alone; differs from `suggestion` if that is noise, see below */
    double lowest; /* rate at which the median is lowest, without the first 10 points */
    char why[256]; /* if there is no suggestion: the reason and what to try */
} lr_finding;

/* The loss of small batches is noisy, and its steepest decrease may be anywhere. A suggestion whose rate is more
 * than this factor below the rate of the lowest loss is considered noise. Lightning's rule is then applied only to
 * the points above that bound. */
#define LR_FINDER_FAR_BELOW 300.0

/** Runs sweeps over batches of the training set, each in a different order, with the run's options except the schedule.
 *  Weights, statistics and momentum of the engine are restored; no other state is changed. The training loader must be
 *  restarted afterwards. A missing suggestion is not an error.
 *  @param p progress line
 *  @return 0, E_STOPPED (ranks_stop), E_NOMEM, or the error of loading or computing; lr_finding_deinit must be called
 * in any case */
int lr_finder_run(lr_finding *out, run_context *s, progress *p);
void lr_finding_deinit(lr_finding *f);

/** Whether lr_finder.rule is valley. */
bool lr_finder_by_valley(const config *c);

/** The sweep with the most points. */
const lr_curve *lr_finding_longest(const lr_finding *f);

/** The points as CSV: step, lr, loss, smoothed of the first sweep; low, median, high when there are several. */
int lr_finding_csv(text *out, const lr_finding *f);

#endif
