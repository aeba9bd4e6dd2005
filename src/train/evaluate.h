/** Loss and accuracy over every readable image of the validation set, each exactly once. */
#ifndef LINNET_TRAIN_EVALUATE_H
#define LINNET_TRAIN_EVALUATE_H

#include "monitor/progress.h"
#include "train/mistakes.h"
#include "train/setup.h"
#include "train/state.h"

#include <signal.h>

/** @param wrong the worst mistakes, replaced; NULL: not looked for
 *  @param progress drawn while it runs; NULL: silent
 *  @param stop a signal's number once one has come, else 0: E_STOPPED then; NULL: never
 *  @return 0, E_STOPPED, what loading or computing failed with */
int evaluate(metrics *out, mistakes *wrong, setup *s, progress *p, int64_t epoch, const volatile sig_atomic_t *stop);

#endif
