/** Which checkpoints a run keeps: last.ckpt, the best k, and what can be saved after an error. */
#ifndef LINNET_TRAINING_RUN_SAVE_POLICY_H
#define LINNET_TRAINING_RUN_SAVE_POLICY_H

#include "training/run/start.h"

/** last.ckpt as the run stands. Every rank calls; rank 0 writes. */
int save_last(train_run_state *r);
/** Rank 0 saves the epoch's checkpoint when it is among the best, and last.ckpt; only then deletes what fell out. */
int save_epoch(train_run_state *r, double val_loss);
/** After an error: what can still be kept is. The first message stays, with where to go on from. */
void save_rescue(train_run_state *r, int error);

#endif
