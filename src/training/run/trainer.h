/** A whole training run: epochs of steps, validation, logs, checkpoints; can be stopped and resumed at any step. */
#ifndef LINNET_TRAINING_RUN_TRAINER_H
#define LINNET_TRAINING_RUN_TRAINER_H

#include "config/config.h"
#include "distributed/communicator.h"
#include "logging/progress.h"
#include "training/folder.h"
#include "training/lr_finder.h"
#include "training/state.h"

#include <signal.h>

typedef struct train_hooks {
    progress_options progress;
    const volatile sig_atomic_t *stop; /* number of a signal that asks to save and end; 0: none yet. NULL: never */
    volatile sig_atomic_t *save;       /* set to ask for a save; the trainer clears it. NULL: never */
    comm *comm;                        /* the ranks of the run, each of which calls; NULL: one. Borrowed */
    void (*opened)(const char *logs, const char *out); /* on rank 0, once the run's logs are open; `out`: where its
                                                          report goes, "" none. NULL: nobody */
    void (*saved)(const char *path); /* on rank 0, after each checkpoint of the run that is complete; NULL: nobody */
} train_hooks;

typedef struct train_summary {
    double seconds;           /* of this process, validation included */
    double images_per_second; /* while training */
    long long images;         /* trained on by this process */
    int64_t epochs_done;      /* of the whole run */
    int64_t global_step;
    metrics train, val;    /* of the last finished epoch; val.images is 0 when there was no validation */
    double best_loss;      /* NaN: none */
    char best[PATH_BYTES]; /* checkpoint with the lowest val_loss, "" none */
    char last[PATH_BYTES]; /* last.ckpt, "" when nothing was saved */
    char logs[PATH_BYTES];
} train_summary;

/** Runs until max_epochs, max_steps or max_time is reached. Lines for the user go to log_info.
 *  @return 0; E_STOPPED (asked to stop; saved in `last`); E_NONFINITE (names step, LR and last checkpoint); any error
 * of data, device or files. The summary is filled as far as the run came */
int train_run(train_summary *out, const config *c, const train_hooks *h);

/** The LR finder alone, on a new run's log folder. @param[out] out freed with lr_finding_deinit, in any case
 *  @param[out] plot path of the picture, "" when it could not be drawn
 *  @return 0; E_DATA when there is no suggestion (out->why); what train_run fails with before its first step */
int train_find_lr(lr_finding *out, char plot[PATH_BYTES], const config *c, const train_hooks *h);

/** trainer.dry_run: some steps, a validation, a checkpoint written, read back and compared; leaves nothing behind.
 *  @return 0 or what would have failed later */
int train_dry_run(train_summary *out, const config *c, const train_hooks *h);

#endif
