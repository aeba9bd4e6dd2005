/** The learning-rate range test (Lightning's lr_find): some steps with a rising rate, from the weights as they are;
 *  afterwards everything is as before. */
#ifndef LINNET_TRAINING_LR_FINDER_H
#define LINNET_TRAINING_LR_FINDER_H

#include "base/text.h"
#include "logging/progress.h"
#include "training/lr_curve.h"
#include "training/setup.h"

typedef struct lr_finding {
    lr_curve *sweep;             /* (sweeps) */
    int sweeps;                  /* made */
    double *low, *median, *high; /* (n) of the smoothed losses over the sweeps; one that has ended counts as infinite */
    int n;                       /* points of the longest sweep */
    double suggestion, loss;     /* NaN: none; the median there */
    double plain;  /* what Lightning's rule alone suggests; another rate when that one is noise, see below */
    double lowest; /* the rate where the median is lowest, the first 10 points left out */
    double slope;  /* of the median at the suggestion, per step; not under 0: the loss fell nowhere */
    char why[256]; /* no suggestion: the reason, and what to try */
} lr_finding;

/* A small batch's loss falls fastest wherever its noise does. A suggestion more than this many times below the rate of
 * the lowest loss is such noise: the rule is then applied to the points above that bound alone. */
#define LR_FINDER_FAR_BELOW 300.0

/** Sweeps over batches of the training set, each over orders of its own, with the run's options but for the schedule.
 *  Weights, statistics and momentum of the engine are put back; no other state is touched. The training loader must be
 *  started anew afterwards. No suggestion is no error.
 *  @param p drawn while it runs
 *  @return 0, E_STOPPED (ranks_stop), E_NOMEM, what loading or computing failed with; lr_finding_deinit is due in any
 * case */
int lr_finder_run(lr_finding *out, setup *s, progress *p);
void lr_finding_deinit(lr_finding *f);

/** The sweep with the most points. */
const lr_curve *lr_finding_longest(const lr_finding *f);

/** The points as CSV: step, lr, loss, smoothed of the first sweep; low, median, high when there are several. */
int lr_finding_csv(text *out, const lr_finding *f);

#endif
