/** Loss and accuracy over every readable image of the validation set, each exactly once. */
#ifndef LINNET_TRAINING_EVALUATE_H
#define LINNET_TRAINING_EVALUATE_H

#include "evaluation/evaluation_report.h"
#include "evaluation/misclassified.h"
#include "logging/progress.h"
#include "training/run_context.h"
#include "training/state.h"

/** Results besides loss and accuracy. */
typedef struct evaluate_extras {
    misclassified *wrong; /* is replaced by the misclassified images with the highest loss; NULL: not collected */
    evaluation_report *evaluated; /* must be empty; NULL: not collected */
    bool flip; /* evaluate each image mirrored too: loss and accuracy are those of the mean of both logits
                  (FFCV's test-time augmentation) */
} evaluate_extras;

/** The batches are divided among the ranks, and every rank gets the results over all of them.
 *  @param extras borrowed; NULL: none
 *  @param p progress line; NULL: silent
 *  @param epoch of the run, from 0, for the progress line; -1: no run
 *  @return 0, E_STOPPED (ranks_stop), or the error of loading or computing */
int evaluate(metrics *out, const evaluate_extras *extras, run_context *s, progress *p, int64_t epoch);

#endif
