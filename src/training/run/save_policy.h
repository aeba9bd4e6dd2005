/** Which checkpoints a run keeps: last.ckpt, the best k, and a last one after an error. */
#ifndef LINNET_TRAINING_RUN_SAVE_POLICY_H
#define LINNET_TRAINING_RUN_SAVE_POLICY_H

#include "training/run/run_open.h"

/** Saves the current state as last.ckpt. Called by every rank; rank 0 writes. If the disk is full and an earlier
 * checkpoint exists, warns, and the run continues (disk_space.h). */
int save_last(train_run_state *r);
/** The same before the run ends: a full disk is an error. */
int save_final(train_run_state *r);
/** At the end of the run: save_final if a save has failed and none has followed. Called by every rank. */
int save_unsaved(train_run_state *r);
/** After a validation or at the end of an epoch: rank 0 saves a checkpoint if it is among the best, deletes the one
 * that is then no longer among them, and saves last.ckpt. A full disk is handled as in save_last; after a failed save,
 * last.ckpt is written even without checkpoint.save_last. */
int save_epoch(train_run_state *r);
/** After an error: saves what can still be saved, and adds to the error's message which checkpoint to continue from. */
void save_rescue(train_run_state *r, int error);

#endif
