/** Broadcasts rank 0's state to all ranks. */
#ifndef LINNET_TRAINING_BROADCAST_H
#define LINNET_TRAINING_BROADCAST_H

#include "training/run_context.h"
#include "training/state.h"

/** Broadcasts weights, their EMA, momentum, running statistics and the progress of the run; the list of best
 *  checkpoints stays on rank 0. @return 0, E_RANK, E_DEVICE, E_NOMEM, E_DATA (the dataset of a rank has other images
 * than rank 0's) */
int broadcast_state(run_context *s, train_state *t);

/** Broadcasts only the running statistics, before a validation, since each rank trains with its own (as in DDP).
 *  @return as broadcast_state */
int broadcast_statistics(run_context *s);

#endif
