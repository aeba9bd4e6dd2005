/* Element-wise kernels around the convolutions and GEMMs: sum of two gradients, padded copies of weights, and bias and
 * conversion of the logits. */
#include "backend/cuda/kernels/device.cuh"

static __device__ __forceinline__ size_t place() { return blockIdx.x * (size_t)blockDim.x + threadIdx.x; }

template <class T> static __device__ void add(const convert_args &a) {
    const int pieces = 8;
    size_t i = place() * pieces;
    float x[pieces];
    if (i + pieces <= a.n) {
        load_sum<T, pieces>(x, a.a, a.b, i);
        store<T, pieces>(a.out, i, x);
        return;
    }
    for (; i < a.n; i++)
        from_float(((T *)a.out)[i], to_float(((const T *)a.a)[i]) + to_float(((const T *)a.b)[i]));
}
FOR_TYPES(add, convert_args, add, 256)

template <class T> static __device__ void weights_pack(const weights_args &a) {
    size_t i = place(), wide = (size_t)a.c_padded, row = i / wide, k = i % wide;
    if (row < a.rows)
        from_float(((T *)a.copy)[i], k < (size_t)a.c ? a.slot[row * (size_t)a.c + k] : 0);
}
FOR_TYPES(weights_pack, weights_args, weights_pack, 256)

template <class T> static __device__ void weights_add(const weights_args &a) {
    size_t i = place(), c = (size_t)a.c, row = i / c, k = i % c;
    if (row >= a.rows)
        return;
    float v = to_float(((const T *)a.copy)[row * (size_t)a.c_padded + k]);
    a.slot[i] = a.accumulate ? a.slot[i] + v : v;
}
FOR_TYPES(weights_add, weights_args, weights_add, 256)

template <class T> static __device__ void logits(const linear_args &a) {
    size_t i = place();
    if (i < (size_t)a.n * (size_t)a.c)
        a.y[i] = to_float(((const T *)a.x)[i]) + (a.bias != nullptr ? a.bias[i % (size_t)a.c] : 0);
}
FOR_TYPES(logits, linear_args, logits, 256)

template <class T> static __device__ void logits_gradient(const linear_args &a) {
    size_t i = place();
    if (i < (size_t)a.n * (size_t)a.c)
        from_float(((T *)a.dx)[i], a.dy0[i] + (a.dy1 != nullptr ? a.dy1[i] : 0));
}
FOR_TYPES(logits_gradient, linear_args, logits_gradient, 256)

enum { COLUMNS = 32, ROWS = 8 };

extern "C" __global__ void __launch_bounds__(COLUMNS *ROWS) linear_bias(linear_args a) {
    __shared__ double room[ROWS][COLUMNS];
    int k = (int)(blockIdx.x * COLUMNS + threadIdx.x);
    double sum = 0;
    for (int i = (int)threadIdx.y; i < a.n && k < a.c; i += ROWS) {
        size_t at = (size_t)i * (size_t)a.c + (size_t)k;
        sum += (double)(a.dy0[at] + (a.dy1 != nullptr ? a.dy1[at] : 0));
    }
    room[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || k >= a.c)
        return;
    sum = a.accumulate ? (double)a.dbias[k] : 0;
    for (int i = 0; i < ROWS; i++)
        sum += room[i][threadIdx.x];
    a.dbias[k] = (float)sum;
}
