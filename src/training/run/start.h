/** Opens and closes a run: data, engine, folder, logs; a new one or from a checkpoint. */
#ifndef LINNET_TRAINING_RUN_START_H
#define LINNET_TRAINING_RUN_START_H

#include "evaluation/misclassified.h"
#include "training/folder.h"
#include "training/lr_finder.h"
#include "training/run/logbook.h"
#include "training/run/run_record.h"
#include "training/run/trainer.h"
#include "training/setup.h"
#include "training/state.h"

typedef struct train_run_state {
    setup setup;
    train_state state;
    run_folder folder;
    logbook logbook; /* folder NULL: not open, as on all ranks but 0 */
    run_record record;
    mistakes wrong; /* of the last validation ... */
    bool judged;    /* ... if it was completed */
    lr_finding finding;
    progress *progress;
    const train_hooks *hooks;
    train_summary *summary;
    char resumed_from[PATH_BYTES]; /* never deleted; "" none */
    bool new_logs;                 /* version_N was created by this process */
    double resumed_lr;             /* base LR of the checkpoint; 0: not resumed */
    double started, train_seconds;
    long long own_images; /* trained on by this rank */
    int64_t started_step; /* global_step when this process began */
    bool saving;          /* the last attempt to save failed: do not try again */
    bool told_prediction;
    engine_memory memory; /* planned, for a full batch */
} train_run_state;

/** Opens everything; with optimizer.lr auto also runs the LR finder. @return 0 or the first error, E_DATA if the LR
 * finder has no suggestion; train_finish must be called in either case */
int train_start(train_run_state *r, train_summary *out, const config *c, const train_hooks *h);
/** Whether this process writes files and logs: rank 0. */
static inline bool train_leads(const train_run_state *r) { return ranks_lead(&r->setup.ranks); }

/** Closes everything. @return 0 or the error of closing the logs */
int train_finish(train_run_state *r);

#endif
