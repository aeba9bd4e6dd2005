/** All-reduce of 16-bit floats, COMM_BF16 or COMM_F16: conversion and sum. Arithmetic is in fp32. Each result is
 *  rounded to nearest, ties to even; a value that is too large becomes infinite; infinities and NaNs are kept. The
 *  results do not depend on the machine. */
#ifndef LINNET_DISTRIBUTED_HALF_H
#define LINNET_DISTRIBUTED_HALF_H

#include "distributed/communicator.h"

/** out = in / parts, rounded before and after the division, as PyTorch's fp16_compress_hook and bf16_compress_hook do.
 *  So the sum over `parts` ranks does not overflow, and a value beyond the 16-bit range becomes infinite. */
void half_narrow(uint16_t *out, const float *in, size_t n, comm_type type, int parts);
void half_widen(float *out, const uint16_t *in, size_t n, comm_type type);
void half_add(uint16_t *sum, const uint16_t *in, size_t n, comm_type type);

#endif
