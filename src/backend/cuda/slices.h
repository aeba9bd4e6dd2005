/** Large copies on the host. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_SLICES_H
#define LINNET_BACKEND_CUDA_SLICES_H

#include <stddef.h>

enum { SLICE_BYTES = 4 << 20, SLICES = 4 };

/** memcpy with threads: more than SLICE_BYTES are split among up to SLICES threads, including the caller, because one
 *  core cannot saturate the memory bandwidth. The memory areas must not overlap. */
void copy_in_slices(void *to, const void *from, size_t n);

#endif
