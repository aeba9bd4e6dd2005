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
    const volatile sig_atomic_t *stop; /* number of the stop signal received; 0: none yet. NULL: never */
    volatile sig_atomic_t *save;       /* set to request a save; the trainer resets it. NULL: never */
    comm *comm;                        /* the ranks of the run, all of which call; NULL: one. Borrowed */
    void (*opened)(const char *logs, const char *out); /* on rank 0, once the run's logs are open; `out`: folder of its
                                                          report, "": no report. Or NULL */
    void (*event)(
        const char *line); /* on rank 0: a line of monitor.progress json without monitor.progress_file; or NULL */
    const char *version, *commit;    /* of the program, for monitor.mlflow; NULL or "": unknown */
    void (*saved)(const char *path); /* on rank 0, after each complete checkpoint of the run; or NULL */
} train_hooks;

typedef struct train_summary {
    double seconds;           /* of this process, validation included */
    double images_per_second; /* while training */
    long long images;         /* trained on by this process */
    int64_t epochs_done;      /* of the whole run */
    bool finished;            /* max_epochs is reached, or early stopping has ended the run */
    double val_acc;           /* of the last epoch of a finished run; NaN: not finished, or not validated at its end */
    int64_t global_step;
    metrics train;         /* of the last finished epoch */
    metrics val;           /* of the last validation at the end of an epoch; images is 0 if there was none */
    const char *monitor;   /* metric of the best checkpoints, borrowed from the configuration; NULL: none */
    double best_score;     /* the best value of `monitor`; NaN: none */
    char best[PATH_BYTES]; /* the best checkpoint, "" none */
    char last[PATH_BYTES]; /* last.ckpt, "" if nothing was saved */
    char logs[PATH_BYTES];
} train_summary;

/** Trains until max_epochs, max_steps or max_time is reached or early stopping ends the run. Messages for the user go
 * to log_info.
 *  @return 0; E_STOPPED (by a signal; saved in `last`); E_NONFINITE (the message has step, LR and last checkpoint); any
 *  error of data, device or files. After an error the summary covers the run up to it */
int train_run(train_summary *out, const config *c, const train_hooks *h);

/** Runs only the LR finder, in a new run's log folder. @param[out] out to be freed with lr_finding_deinit in any case
 *  @param[out] plot path of the image, "" if it could not be drawn
 *  @return 0; E_DATA if there is no suggestion (out->why); errors of train_run before its first step */
int train_find_lr(lr_finding *out, char plot[PATH_BYTES], const config *c, const train_hooks *h);

/** trainer.dry_run: some steps, a validation, a checkpoint written, read back and compared; all files are removed.
 *  @return 0 or the error that a training would have */
int train_dry_run(train_summary *out, const config *c, const train_hooks *h);

#endif
