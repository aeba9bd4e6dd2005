/** Checks the disk space for checkpoints before the first step, and handles a disk that becomes full during a run. */
#ifndef LINNET_TRAINING_RUN_DISK_SPACE_H
#define LINNET_TRAINING_RUN_DISK_SPACE_H

#include "training/run_context.h"

struct train_run_state;

/** The state of rank 0. */
typedef struct disk_space {
    bool unsaved;       /* the last save failed because the disk is full; the run continues */
    bool logs_warned;   /* the warning about the logs was printed */
    bool low_warned;    /* the warning that the next checkpoint will not fit was printed */
    double next;        /* clock_seconds of the next check */
    int64_t saved_step; /* global_step of the newest checkpoint */
} disk_space;

/** Before the first step: refuses a run whose checkpoint does not fit on the disk of `folder`, unless the run saves no
 *  checkpoints. @return 0; E_FULL, with the needed and the free space in the message; E_IO */
int disk_space_check(const char *folder, const run_context *s);
/** Warns if the checkpoints that a run keeps, and the one that is written before another is deleted, do not fit on the
 *  disk of `folder`. kept: number of best files that exist already. last: whether last.ckpt exists. */
void disk_space_warn_peak(const char *folder, const run_context *s, int64_t epochs_done, int kept, bool last);

/** Called with the error `rc` of writing a checkpoint. If the disk is full (E_FULL) and an earlier checkpoint exists,
 *  warns, and the state will be saved later. @return 0: the run continues; else rc */
int disk_space_save_failed(struct train_run_state *r, int rc);
/** Called after the state was saved as `path`; logs the save if an earlier one had failed. */
void disk_space_saved(struct train_run_state *r, const char *path);
/** For E_FULL of a save at the end of the run: adds the newest checkpoint and what to do to the message. @return rc */
int disk_space_explain(struct train_run_state *r, int rc);
/** Called with the result of logging. If the disk is full (E_FULL), warns once. @return 0: the run continues; else rc
 */
int disk_space_logged(struct train_run_state *r, int rc);
/** Called between two steps. If a save has failed, requests another (rank_group.save_due) when there is enough space;
 *  else checks every minute whether the next save will fit. */
void disk_space_poll(struct train_run_state *r);
/** Warns if the checkpoints of the next epoch will not fit. */
void disk_space_warn_low(struct train_run_state *r);

#endif
