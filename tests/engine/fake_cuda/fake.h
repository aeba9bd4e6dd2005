/** Declarations shared by the stand-ins for libcuda.so.1, libcudnn.so.9 and libnccl.so.2, which are one library under
 *  three names.
 *
 *  Every operation except an all-reduce runs when it is queued, on the host, in the order of the calls. So results are
 *  real, but the ordering between streams is tested only around all-reduces. While a stream is recorded, operations are
 *  stored instead, and run when the graph is launched.
 *
 *  Environment:
 *    FAKE_CUDA_FAIL=SYMBOL:N     the N-th call of SYMBOL (from 1) fails
 *    FAKE_CUDA_DEVICES=N         number of GPUs; default 1
 *    FAKE_CUDA_MEMORY=BYTES      memory of the GPU; default 4 GiB
 *    FAKE_CUDA_STATISTICS=WHAT   cuDNN's convolution with sums: "rejected" or "slow"; default fast
 *    FAKE_CUDA_PROLOGUE=WHAT     the same for convolutions that scale their input, forward and wgrad; "whole": only
 *                                forward with sums, as on a GPU of compute capability 9.0
 *    FAKE_CUDA_GRADIENT=WHAT     the same for dgrad with a BN's sums
 *
 *  Events measure a simulated clock: each kernel takes 1 ms, a convolution 2 ms. */
#ifndef LINNET_TESTS_FAKE_CUDA_FAKE_H
#define LINNET_TESTS_FAKE_CUDA_FAKE_H

#include <cstddef>
#include <cstdint>
#include <functional>

/** Runs or records the operation; advances the clock by `ms`. */
void fake_queue(const std::function<void()> &work, double ms = 0);
bool fake_is_recording();
/** Whether this call of `symbol` is the one that must fail. */
bool fake_fails(const char *symbol);
enum fake_fusion { FAKE_STATISTICS, FAKE_PROLOGUE, FAKE_GRADIENT, FAKE_FUSIONS };
/** Whether the environment sets that fusion to `what`. */
bool fake_fusion_is(fake_fusion which, const char *what);
/** Counts a queued convolution with that fusion. */
void fake_count_fusion(fake_fusion which);
/** Whether [p, p + n) is within one allocation of the GPU's memory. */
bool fake_owns(const void *p, size_t n);
/** Whether the stream has waited for an event after all operations queued so far. */
bool fake_has_waited(const void *stream);
/** Number of pending all-reduces. */
uint64_t fake_reductions_ahead();
/** Advances the pending all-reduces. @return whether one has ended */
bool fake_advance();

#endif
