/** Gradients of several ranks' GPUs by NCCL. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_EXCHANGE_H
#define LINNET_BACKEND_CUDA_EXCHANGE_H

#include "backend/cuda/gpu.h"

/** A comm for means of fp32 and sums of 16-bit floats in the GPU's memory, where each rank of d->options.comm has a
 *  GPU of its own and NCCL; all of those ranks come here. Else *out is NULL, and rank 0 logs why. d outlives it, and so
 *  does d->options.comm. Adds NCCL's version to d->description. @return 0, E_NOMEM, E_DEVICE, E_RANK */
int exchange_open(comm **out, cuda_device *d);

/** engine_exchange_text. */
int exchange_text(char out[ENGINE_EXCHANGE_TEXT]);

/** NULL is allowed. After a failure it waits for nobody. */
void exchange_close(comm *c);

#endif
