/** Loss and accuracy over every readable image of the validation set, each exactly once. */
#ifndef LINNET_TRAINING_EVALUATE_H
#define LINNET_TRAINING_EVALUATE_H

#include "evaluation/assessment.h"
#include "evaluation/misclassified.h"
#include "logging/progress.h"
#include "training/setup.h"
#include "training/state.h"

/** What to look at beside loss and accuracy. */
typedef struct evaluate_extras {
    mistakes *wrong;    /* the worst ones, replaced; NULL: not looked for */
    assessment *judged; /* empty before; NULL: not wanted */
    bool flip;          /* each image is seen mirrored too: its logits are the mean of both (FFCV's test-time
                           augmentation), and loss and accuracy those of the means */
} evaluate_extras;

/** @param extras borrowed; NULL: none. With several ranks both get those of all
 *  @param progress drawn while it runs; NULL: silent
 *  The ranks share the batches out and get the sums over all.
 *  @return 0, E_STOPPED (ranks_stop), what loading or computing failed with */
int evaluate(metrics *out, const evaluate_extras *extras, setup *s, progress *p, int64_t epoch);

#endif
