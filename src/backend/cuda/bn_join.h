/** Batch norm over the batches of all ranks on a GPU (backend/sync_bn.h): what a kernel has left of this rank's batch,
 * two values a channel and the number of rows, becomes that of all ranks'. By way of the host's memory: each call waits
 * for the GPU once. `joined`: (2c + 1) doubles in the GPU's memory, its part of bn_args. Internal to src/backend/cuda.
 */
#ifndef LINNET_BACKEND_CUDA_BN_JOIN_H
#define LINNET_BACKEND_CUDA_BN_JOIN_H

#include "backend/cuda/gpu.h"

/** Makes room for layers of c channels; while a plan is made. @return 0, E_NOMEM, E_DEVICE */
int bn_join_room(cuda_device *d, int c);
void bn_join_deinit(cuda_device *d);

/** Mean, biased variance and rows. @return 0, E_DEVICE, E_RANK */
int bn_join_statistics(const cuda_device *d, double *joined, int c);
/** Two sums and rows. @return as bn_join_statistics */
int bn_join_sums(const cuda_device *d, double *joined, int c);

#endif
