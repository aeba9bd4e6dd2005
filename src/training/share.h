/** Broadcasts rank 0's state to all ranks. */
#ifndef LINNET_TRAINING_SHARE_H
#define LINNET_TRAINING_SHARE_H

#include "training/setup.h"
#include "training/state.h"

/** Broadcasts weights, their moving average, momentum, running statistics and the progress of the run; the list of best
 *  checkpoints stays on rank 0. @return 0, E_RANK, E_DEVICE, E_NOMEM, E_DATA (the dataset of a rank has other images
 * than rank 0's) */
int share_state(setup *s, train_state *t);

/** Broadcasts only the running statistics, before a validation, since each rank trains with its own (as in DDP).
 *  @return as share_state */
int share_statistics(setup *s);

#endif
