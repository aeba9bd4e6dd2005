/** All-reduce of gradients between GPUs by NCCL. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_NCCL_ALLREDUCE_H
#define LINNET_BACKEND_CUDA_NCCL_ALLREDUCE_H

#include "backend/cuda/gpu.h"

/** Creates a communicator for means of fp32 and sums of 16-bit floats in GPU memory. Collective over d->options.comm.
 *  Requires that every rank has NCCL and a GPU of its own; otherwise *out is NULL and rank 0 logs a warning with the
 *  reason. d and d->options.comm must outlive *out. Appends NCCL's version to d->description.
 *  @return 0, E_NOMEM, E_DEVICE, E_RANK */
int nccl_comm_open(comm **out, cuda_device *d);

/** Implements engine_exchange_text. */
int nccl_comm_text(char out[ENGINE_EXCHANGE_TEXT]);

/** c may be NULL. After a failure it does not wait for other ranks. */
void nccl_comm_close(comm *c);

#endif
