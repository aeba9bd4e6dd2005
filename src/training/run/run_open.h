/** Opens and closes a run: data, engine, folder, logs; a new one or from a checkpoint. */
#ifndef LINNET_TRAINING_RUN_RUN_OPEN_H
#define LINNET_TRAINING_RUN_RUN_OPEN_H

#include "evaluation/misclassified.h"
#include "training/folder.h"
#include "training/lr_finder.h"
#include "training/run/disk_space.h"
#include "training/run/run_logger.h"
#include "training/run/run_record.h"
#include "training/run/trainer.h"
#include "training/run_context.h"
#include "training/state.h"

#include <stdio.h>

/** The files of run_monitor.h, and the values of the last logged step; NaN: unknown. */
typedef struct run_monitor {
    bool on;                /* run_monitor_open was called */
    metrics val;            /* of the last validation; no images: none yet */
    FILE *file;             /* of the JSON lines; NULL: none, or standard error */
    struct web_server *web; /* NULL: none; run_live_listen */
    mlflow *mlflow;         /* NULL: none; run_mlflow_open */
    bool failed;            /* an error occurred and was reported once */
    double loss, accuracy, lr, images_per_second, data_wait, communication;
    double saved; /* clock_wall of the last checkpoint */
} run_monitor;

typedef struct train_run_state {
    run_context context;
    train_state state;
    run_folder folder;
    run_logger run_logger; /* folder NULL: not open, as on all ranks but 0 */
    run_record record;
    misclassified wrong; /* of the last validation */
    bool evaluated;      /* the last validation was completed, and its `wrong` is not in the report yet */
    lr_finding finding;
    progress *progress;
    const train_hooks *hooks;
    train_summary *summary;
    char resumed_from[PATH_BYTES]; /* never deleted; "" none */
    bool new_logs;                 /* version_N was created by this process */
    double resumed_lr;             /* base LR of the checkpoint; 0: not resumed */
    double started, train_seconds;
    double published;     /* clock_seconds of the last report, or of the start if there is none */
    long long own_images; /* trained on by this rank */
    int64_t started_step; /* global_step when this process began */
    bool save_failed;     /* a save is in progress, or the last one failed: save_rescue does not try again */
    bool epoch_time_logged;
    double seconds_per_batch; /* of training; 0: not measured yet */
    double val_seconds;       /* of the last validation; 0: not measured yet */
    disk_space disk;
    run_monitor monitor;
    engine_memory memory; /* planned, for a full batch */
} train_run_state;

/** Opens everything; with optimizer.lr auto also runs the LR finder. saves: the run saves checkpoints, so the disk
 * space is checked. @return 0 or the first error, E_DATA if the LR finder has no suggestion, E_FULL (disk_space_check);
 * run_close must be called in either case */
int run_open(train_run_state *r, train_summary *out, const config *c, const train_hooks *h, bool saves);
/** Whether this process writes files and logs: rank 0. */
static inline bool train_leads(const train_run_state *r) { return ranks_lead(&r->context.ranks); }

/** Closes everything. @return 0 or the error of closing the logs */
int run_close(train_run_state *r);

#endif
