/** Large copies on the host. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_SLICES_H
#define LINNET_BACKEND_CUDA_SLICES_H

#include <stddef.h>

enum { SLICE_BYTES = 4 << 20, SLICES = 4 };

/** memcpy; n of more than SLICE_BYTES by up to SLICES threads, the caller one of them: one core alone does not fill
 *  the memory's bandwidth. Memory areas must not overlap. */
void copy_in_slices(void *to, const void *from, size_t n);

#endif
