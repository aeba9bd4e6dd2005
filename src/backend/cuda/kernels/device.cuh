/* Shared by all kernels: conversion of element types to float, packs of 8 elements (128 bits in fp16), sums in a fixed
 * order. Threads of a block communicate only through static __shared__ memory and __syncthreads. */
#ifndef LINNET_ENGINE_CUDA_DEVICE_CUH
#define LINNET_ENGINE_CUDA_DEVICE_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "backend/cuda/kernels/args.h"

typedef __half f16;
typedef __nv_bfloat16 bf16;

static __device__ __forceinline__ float to_float(float v) { return v; }
static __device__ __forceinline__ float to_float(f16 v) { return __half2float(v); }
static __device__ __forceinline__ float to_float(bf16 v) { return __bfloat162float(v); }

static __device__ __forceinline__ void from_float(float &out, float v) { out = v; }
static __device__ __forceinline__ void from_float(f16 &out, float v) { out = __float2half_rn(v); }
static __device__ __forceinline__ void from_float(bf16 &out, float v) { out = __float2bfloat16_rn(v); }

/** V elements, loaded and stored with accesses of up to 128 bits. */
template <class T, int V> struct alignas(sizeof(T) * V < 16 ? sizeof(T) * V : 16) pack {
    T v[V];
};

template <class T, int V> static __device__ __forceinline__ void load(float (&out)[V], const void *base, size_t i) {
    pack<T, V> p = *(const pack<T, V> *)((const T *)base + i);
    for (int k = 0; k < V; k++)
        out[k] = to_float(p.v[k]);
}

template <class T, int V> static __device__ __forceinline__ void store(void *base, size_t i, const float (&in)[V]) {
    pack<T, V> p;
    for (int k = 0; k < V; k++)
        from_float(p.v[k], in[k]);
    *(pack<T, V> *)((T *)base + i) = p;
}

/** The gradient of a tensor: dy0, or dy0 + dy1. */
template <class T, int V>
static __device__ __forceinline__ void load_sum(float (&out)[V], const void *dy0, const void *dy1, size_t i) {
    load<T, V>(out, dy0, i);
    if (dy1 == nullptr)
        return;
    float more[V];
    load<T, V>(more, dy1, i);
    for (int k = 0; k < V; k++)
        out[k] += more[k];
}

/** Sum over the n threads of the block (a power of 2) in a fixed order; every thread gets it. `room`: one element per
 *  thread. */
template <class T> static __device__ __forceinline__ T block_sum(T value, T *room, unsigned i, unsigned n) {
    __syncthreads();
    room[i] = value;
    __syncthreads();
    for (unsigned half = n / 2; half > 0; half /= 2) {
        if (i < half)
            room[i] += room[i + half];
        __syncthreads();
    }
    return room[0];
}

/** Defines one exported kernel per element type: NAME_f32, NAME_f16, NAME_bf16, each calling body<T>(a). */
#define FOR_TYPES(name, args, body, threads)                                                                           \
    extern "C" __global__ void __launch_bounds__(threads) name##_f32(args a) { body<float>(a); }                       \
    extern "C" __global__ void __launch_bounds__(threads) name##_f16(args a) { body<f16>(a); }                         \
    extern "C" __global__ void __launch_bounds__(threads) name##_bf16(args a) { body<bf16>(a); }

/** The same with packs of 8 (NAME_f16) and, for tensors with c % 8 != 0, single elements (NAME_one_f16). */
#define FOR_TYPES_AND_PACKS(name, args, body, threads)                                                                 \
    extern "C" __global__ void __launch_bounds__(threads) name##_f32(args a) { body<float, 8>(a); }                    \
    extern "C" __global__ void __launch_bounds__(threads) name##_f16(args a) { body<f16, 8>(a); }                      \
    extern "C" __global__ void __launch_bounds__(threads) name##_bf16(args a) { body<bf16, 8>(a); }                    \
    extern "C" __global__ void __launch_bounds__(threads) name##_one_f32(args a) { body<float, 1>(a); }                \
    extern "C" __global__ void __launch_bounds__(threads) name##_one_f16(args a) { body<f16, 1>(a); }                  \
    extern "C" __global__ void __launch_bounds__(threads) name##_one_bf16(args a) { body<bf16, 1>(a); }

#endif
