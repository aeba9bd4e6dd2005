/** Runs the engine's CUDA kernels on the host: g++ compiles the .cu sources, the threads of a block are fibers that
 *  synchronise at __syncthreads, and the blocks run one after the other. Include before any .cu. */
#ifndef LINNET_TESTS_FAKE_CUDA_HOST_KERNEL_H
#define LINNET_TESTS_FAKE_CUDA_HOST_KERNEL_H

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstddef>
#include <functional>

#undef __global__
#undef __device__
#undef __shared__
#undef __forceinline__
#undef __launch_bounds__
#define __global__
#define __device__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)

using std::isfinite;
using std::isinf;
using std::isnan;

struct dim3_place {
    unsigned x, y, z;
};
extern dim3_place blockIdx, blockDim, gridDim;

/** The thread index of the running fiber within its block. */
const dim3_place &fiber_place();
/** Waits until all fibers of the block have called this. */
void fiber_meet();

#define threadIdx (fiber_place())
#define __syncthreads fiber_meet

/** Calls `body` once for each thread of the grid. */
void run_grid(dim3_place grid, dim3_place block, const std::function<void()> &body);

/** A kernel by its exported name. */
struct host_kernel {
    const char *name;
    size_t args_bytes; /* size of its only argument */
    void (*call)(const void *args);
};
/** @return NULL if no kernel has that name */
const host_kernel *host_kernel_find(const char *name);

#endif
