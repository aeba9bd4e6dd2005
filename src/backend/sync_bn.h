/** Batch norm over the batches of all ranks: one exchange a layer forward (a gather) and one backward (a sum), on the
 *  channel COMM_NORM; a rank without a batch takes part with no rows. Internal to src/engine and src/backend.
 *
 *      mean = sum n_r mean_r / M      var = sum (n_r var_r + n_r (mean_r - mean)^2) / M      M = sum n_r
 *
 *  Source: Chan, Golub, LeVeque 1979; equals torch.nn.SyncBatchNorm. */
#ifndef LINNET_BACKEND_SYNC_BN_H
#define LINNET_BACKEND_SYNC_BN_H

#include "backend/types.h"

#include <stdbool.h>

/** Whether batch norm is joined: the option is on and there are other ranks. */
bool sync_bn_on(const engine_options *o);
/** What a rank hands over for c channels: two doubles each, and the number of rows. */
static inline size_t sync_bn_values(int c) { return 2 * (size_t)c + 1; }
/** Doubles of work space. */
static inline size_t sync_bn_work(const comm *all, int c) { return (size_t)comm_ranks(all) * sync_bn_values(c); }

/** In: mean and biased variance (c) of this rank's *m rows; out: of all ranks' *m rows. work: sync_bn_work. */
int sync_bn_statistics(comm *all, double *mean, double *var, double *m, int c, double *work);
/** In: two sums a channel and the number of rows (sync_bn_values); out: the same over all ranks. */
int sync_bn_sums(comm *all, double *values, int c);

#endif
