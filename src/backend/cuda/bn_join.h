/** Synchronised batch norm on a GPU (backend/sync_bn.h). Replaces the values of this rank's batch, two per channel and
 *  the number of rows, by those of all ranks. The data pass through host memory, so each call waits for the GPU once.
 *  `joined`: (2c + 1) doubles in GPU memory, as in bn_args. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_BN_JOIN_H
#define LINNET_BACKEND_CUDA_BN_JOIN_H

#include "backend/cuda/gpu.h"

/** Allocates pinned memory for layers of up to c channels; called while planning. @return 0, E_NOMEM, E_DEVICE */
int bn_join_room(cuda_device *d, int c);
void bn_join_deinit(cuda_device *d);

/** Mean, biased variance and number of rows. @return 0, E_DEVICE, E_RANK */
int bn_join_statistics(const cuda_device *d, double *joined, int c);
/** Two sums and the number of rows. @return as bn_join_statistics */
int bn_join_sums(const cuda_device *d, double *joined, int c);

#endif
