/** run.json in a log folder: run metadata for the report that no other log contains. docs/formats.md lists its keys. */
#ifndef LINNET_TRAINING_RUN_RUN_RECORD_H
#define LINNET_TRAINING_RUN_RUN_RECORD_H

#include "checkpoint/top_k.h"
#include "training/lr_finder.h"
#include "training/run/run_metadata.h"

typedef struct run_record {
    char title[PATH_BYTES + 64]; /* "resnet18 on clothing" */
    const char *state;           /* "running", "done", "stopped", "failed", in the file also "lost"; static */
    char started[24];            /* of the first process, UTC */
    double seconds_before;       /* spent by earlier processes of the run */
    double report_seconds;       /* spent on reports by this process */
    run_metadata run, machine;
    bool found_lr;     /* the LR finder ran, in this or an earlier process */
    double suggestion; /* NaN: none */
    char why[256];
    int worst_n;          /* images on worst.jpg */
    const config *config; /* borrowed */
    double val_acc;       /* of the last epoch of a finished run; NaN: not finished */
} run_record;

/** Fills title, metadata and times; `started` and the values of earlier processes come from FOLDER/run.json, if it
 * exists. */
void run_record_open(run_record *r, const char *folder, const run_context *s, const engine_memory *memory);
/** Writes FOLDER/run.json. `seconds`: of this process so far; `last`: path of last.ckpt or "".
 *  @return 0, E_IO, E_FULL, E_NOMEM */
int run_record_write(const run_record *r, const char *folder, double seconds, const top_k *kept, const char *last);

/** Changes only the state in the run.json of a log folder. @return 0, E_NOTFOUND, E_FORMAT, E_IO, E_NOMEM */
int run_record_set_state(const char *folder, const char *state);
/** Takes the lock of the run that owns a log folder. *fd: to be closed; -1: the run has no checkpoint folder.
 *  @return 0, E_LOCKED (the run is in progress), E_NOTFOUND, E_IO */
int run_record_lock(int *fd, const char *folder);
/** Sets the state "lost" if it is "running" but no process has locked the run's checkpoint folder: the run was killed.
 *  @return as run_record_set_state */
int run_record_check(const char *folder);

#endif
