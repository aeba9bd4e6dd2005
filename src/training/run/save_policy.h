/** Which checkpoints a run keeps: last.ckpt, the best k, and a last one after an error. */
#ifndef LINNET_TRAINING_RUN_SAVE_POLICY_H
#define LINNET_TRAINING_RUN_SAVE_POLICY_H

#include "training/run/run_open.h"

/** Saves the current state as last.ckpt. Called by every rank; rank 0 writes. */
int save_last(train_run_state *r);
/** Rank 0 saves the epoch's checkpoint if it is among the best, and last.ckpt; it then deletes the one that is no
 * longer among the best. */
int save_epoch(train_run_state *r, double val_loss);
/** After an error: saves what can still be saved, and adds to the error's message which checkpoint to continue from. */
void save_rescue(train_run_state *r, int error);

#endif
