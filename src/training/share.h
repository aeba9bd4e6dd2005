/** Rank 0's state to all ranks. */
#ifndef LINNET_TRAINING_SHARE_H
#define LINNET_TRAINING_SHARE_H

#include "training/setup.h"
#include "training/state.h"

/** Weights, their average, momentum, running statistics and where the run stands become rank 0's on every rank; the
 * list of best files stays rank 0's own. @return 0, E_RANK, E_DEVICE, E_NOMEM, E_DATA (a rank sees other images than
 * rank 0) */
int share_state(setup *s, train_state *t);

/** The running statistics alone: before a validation, as ranks train with their own (DDP). @return as share_state */
int share_statistics(setup *s);

#endif
