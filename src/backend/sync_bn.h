/** Synchronised batch norm: statistics over the batches of all ranks. Per layer, forward does one gather and backward
 *  one sum, on the channel COMM_SYNC_BN. A rank without a batch takes part with 0 rows. Internal to src/engine and
 *  src/backend.
 *
 *      mean = sum n_r mean_r / M      var = sum (n_r var_r + n_r (mean_r - mean)^2) / M      M = sum n_r
 *
 *  Source: Chan, Golub, LeVeque 1979; equals torch.nn.SyncBatchNorm. */
#ifndef LINNET_BACKEND_SYNC_BN_H
#define LINNET_BACKEND_SYNC_BN_H

#include "backend/types.h"

#include <stdbool.h>

/** Whether batch norm is synchronised: the option is set and there is more than one rank. */
bool sync_bn_on(const engine_options *o);
/** Number of doubles that a rank sends for c channels: two per channel and the number of rows. */
static inline size_t sync_bn_values(int c) { return 2 * (size_t)c + 1; }
/** Size of the work buffer, doubles. */
static inline size_t sync_bn_work(const comm *all, int c) { return (size_t)comm_ranks(all) * sync_bn_values(c); }

/** In: mean and biased variance (c) of the *m rows of this rank. Out: those of the rows of all ranks, *m in total.
 *  work: sync_bn_work doubles. @return 0, E_RANK, E_DEVICE */
int sync_bn_statistics(comm *all, double *mean, double *var, double *m, int c, double *work);
/** In: two sums per channel and the number of rows of this rank (sync_bn_values doubles). Out: their sums over all
 *  ranks. @return 0, E_RANK, E_DEVICE */
int sync_bn_sums(comm *all, double *values, int c);

#endif
