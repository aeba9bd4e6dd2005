/** Loss and accuracy over every readable image of the validation set, each exactly once. */
#ifndef LINNET_TRAIN_EVALUATE_H
#define LINNET_TRAIN_EVALUATE_H

#include "monitor/progress.h"
#include "train/mistakes.h"
#include "train/setup.h"
#include "train/state.h"

/** @param wrong the worst mistakes, replaced; NULL: not looked for
 *  @param progress drawn while it runs; NULL: silent
 *  The ranks share the batches out and get the sums over all.
 *  @return 0, E_STOPPED (ranks_stop), what loading or computing failed with */
int evaluate(metrics *out, mistakes *wrong, setup *s, progress *p, int64_t epoch);

#endif
