/** What the stand-ins for libcuda.so.1, libcudnn.so.9 and libnccl.so.2 share; they are one library under three names.
 *
 *  Everything but an all-reduce runs when it is queued, on the host, in the order of the calls: results are real,
 *  ordering between streams is tested around all-reduces alone. While a stream is recorded, what is queued is kept
 *  instead, and runs when the graph is launched.
 *
 *  Environment:
 *    FAKE_CUDA_FAIL=SYMBOL:N     the N-th call of SYMBOL (from 1) fails
 *    FAKE_CUDA_DEVICES=N         GPUs; 1 without
 *    FAKE_CUDA_MEMORY=BYTES      of the GPU; 4 GiB without
 *    FAKE_CUDA_STATISTICS=WHAT   cuDNN's convolution with sums: "rejected", or "slow"; fast without
 *    FAKE_CUDA_PROLOGUE=WHAT     the same for those that scale their input, forward and of weights; "whole":
 *                                forward with sums alone, as on a GPU of compute capability 9.0
 *    FAKE_CUDA_GRADIENT=WHAT     the same for the data gradient with a BN's sums
 *
 *  Events measure a clock of the stand-ins' own: each kernel takes 1 ms of it, a convolution 2. */
#ifndef LINNET_TESTS_FAKE_CUDA_FAKE_H
#define LINNET_TESTS_FAKE_CUDA_FAKE_H

#include <cstddef>
#include <cstdint>
#include <functional>

/** Runs or records; takes `ms` of the clock. */
void fake_queue(const std::function<void()> &work, double ms = 0);
bool fake_is_recording();
/** Whether this call of `symbol` is the one that is to fail. */
bool fake_fails(const char *symbol);
enum fake_fusion { FAKE_STATISTICS, FAKE_PROLOGUE, FAKE_GRADIENT, FAKE_FUSIONS };
/** Whether the environment says so of that one. */
bool fake_fusion_is(fake_fusion which, const char *what);
/** A convolution that does that too was queued. */
void fake_count_fusion(fake_fusion which);
/** Whether [p, p + n) lies in one piece of the GPU's memory. */
bool fake_owns(const void *p, size_t n);
/** Whether the stream has waited for an event behind all that was queued so far. */
bool fake_has_waited(const void *stream);
/** All-reduces on their way. */
uint64_t fake_reductions_ahead();
/** Moves them on. @return whether one has ended */
bool fake_advance();

#endif
