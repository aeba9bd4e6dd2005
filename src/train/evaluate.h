/** Loss and accuracy over every readable image of the validation set, each exactly once. */
#ifndef LINNET_TRAIN_EVALUATE_H
#define LINNET_TRAIN_EVALUATE_H

#include "monitor/progress.h"
#include "train/assessment.h"
#include "train/mistakes.h"
#include "train/setup.h"
#include "train/state.h"

#include <signal.h>

/** What to look at beside loss and accuracy. */
typedef struct evaluate_extras {
    mistakes *wrong;    /* the worst ones, replaced; NULL: not looked for */
    assessment *judged; /* added to; NULL: not wanted */
    bool flip;          /* each image is seen mirrored too: its logits are the mean of both (FFCV's test-time
                           augmentation), and loss and accuracy those of the means */
} evaluate_extras;

/** @param extras borrowed; NULL: none
 *  @param progress drawn while it runs; NULL: silent
 *  @param stop a signal's number once one has come, else 0: E_STOPPED then; NULL: never
 *  @return 0, E_STOPPED, what loading or computing failed with */
int evaluate(metrics *out, const evaluate_extras *extras, setup *s, progress *p, int64_t epoch,
             const volatile sig_atomic_t *stop);

#endif
