/** The validations of a run: when one is due, what follows one, and when the run ends early. */
#ifndef LINNET_TRAINING_RUN_VALIDATION_H
#define LINNET_TRAINING_RUN_VALIDATION_H

#include "training/run/epoch_clock.h"

/** Whether the epoch in progress ends with a validation: trainer.check_val_every_n_epoch. */
bool validation_in_epoch(const train_run_state *r);
/** Whether trainer.val_check_interval requires a validation after `done` batches of the epoch, the last `step` of which
 *  belong to the last optimizer step. False at the end of the epoch. */
bool validation_at(const train_run_state *r, int64_t done, int64_t step);
/** Whether it is due now: the last step reached it, and it was not done yet (a resumed run). */
bool validation_due(const train_run_state *r);

/** Validates the EMA of the weights if there is one, else the weights. Restores the trained weights in any case.
 *  After E_STOPPED the checkpoint is saved, and the resumed run begins with this validation. */
int validation_run(train_run_state *r);
/** A validation within an epoch: its row in the logs, the best checkpoints, early stopping. Its time is not counted as
 *  the epoch's. */
int validation_within(train_run_state *r, epoch_clock *k);

/** Hands the value of early_stopping.monitor, if it has one here, to early stopping. A stop is logged. */
void validation_check_stop(train_run_state *r);

#endif
