/** 16-bit floats, COMM_BF16 or COMM_F16, on their way between ranks. Arithmetic is fp32, each result rounded to
 * nearest, ties to even; what is too large becomes infinite; infinities and NaNs stay. Results do not depend on the
 * machine. */
#ifndef LINNET_DISTRIBUTED_HALF_H
#define LINNET_DISTRIBUTED_HALF_H

#include "distributed/communicator.h"

/** out = in / parts, rounded before the division and after it, as PyTorch's fp16_compress_hook and bf16_compress_hook
 * do: the sum over as many parts does not overflow, and a value that 16 bits cannot hold shows as infinite. */
void half_narrow(uint16_t *out, const float *in, size_t n, comm_type type, int parts);
void half_widen(float *out, const uint16_t *in, size_t n, comm_type type);
void half_add(uint16_t *sum, const uint16_t *in, size_t n, comm_type type);

#endif
