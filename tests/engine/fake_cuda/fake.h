/** What the stand-ins for libcuda.so.1 and libcudnn.so.9 share; they are one library under two names.
 *
 *  Everything runs when it is queued, on the host, in the order of the calls: results are real, ordering between
 * streams is not tested. While a stream is recorded, what is queued is kept instead, and runs when the graph is
 * launched.
 *
 *  Environment:
 *    FAKE_CUDA_FAIL=SYMBOL:N     the N-th call of SYMBOL (from 1) fails
 *    FAKE_CUDA_MEMORY=BYTES      of the GPU; 4 GiB without
 *    FAKE_CUDA_STATISTICS=WHAT   cuDNN's convolution with sums: "rejected", or "slow"; fast without
 *
 *  Events measure a clock of the stand-ins' own: each kernel takes 1 ms of it, a convolution 2. */
#ifndef LINNET_TESTS_FAKE_CUDA_FAKE_H
#define LINNET_TESTS_FAKE_CUDA_FAKE_H

#include <cstddef>
#include <functional>

/** Runs or records; takes `ms` of the clock. */
void fake_queue(const std::function<void()> &work, double ms = 0);
bool fake_is_recording();
/** Whether this call of `symbol` is the one that is to fail. */
bool fake_fails(const char *symbol);
/** Whether the environment's FAKE_CUDA_STATISTICS is that. */
bool fake_statistics_are(const char *what);
/** A convolution that also sums was queued. */
void fake_count_statistics();
/** Whether [p, p + n) lies in one piece of the GPU's memory. */
bool fake_owns(const void *p, size_t n);

#endif
