/* How the BN kernels split an (m, c) tensor. A block has vx * vy threads and vx packs of channels. Each of its vy rows
 * of threads processes the rows of the chunk with stride vy. blockIdx.x: packs, blockIdx.y: chunk. vx, vy: powers of
 * 2. */
#ifndef LINNET_ENGINE_CUDA_BN_CUH
#define LINNET_ENGINE_CUDA_BN_CUH

#include "backend/cuda/kernels/device.cuh"

enum { BN_THREADS = 256 };

struct bn_place {
    int channel; /* first channel of the pack */
    bool inside;
    size_t row, end;
};

template <int V> static __device__ __forceinline__ bn_place bn_here(const bn_args &a) {
    bn_place p;
    p.channel = (int)(blockIdx.x * blockDim.x + threadIdx.x) * V;
    p.inside = p.channel < a.c;
    p.row = blockIdx.y * a.chunk_rows + threadIdx.y;
    p.end = (blockIdx.y + 1) * a.chunk_rows;
    p.end = p.end < a.m ? p.end : a.m;
    return p;
}

/** Adds over the rows of threads of the block. The first row of threads holds the sums. */
template <int V> static __device__ void bn_join_rows(float (&sum)[V], float (*room)[BN_THREADS]) {
    int at = (int)(threadIdx.y * blockDim.x + threadIdx.x);
    __syncthreads();
    for (int k = 0; k < V; k++)
        room[k][at] = sum[k];
    __syncthreads();
    for (int half = (int)blockDim.y / 2; half > 0; half /= 2) {
        if ((int)threadIdx.y < half)
            for (int k = 0; k < V; k++)
                room[k][at] += room[k][at + half * (int)blockDim.x];
        __syncthreads();
    }
    for (int k = 0; k < V; k++)
        sum[k] = room[k][threadIdx.x];
}

/** Writes the two sums of this chunk: part[chunk][0 or 1][channel]. */
template <int V>
static __device__ void bn_store_part(const bn_args &a, const bn_place &p, float (&first)[V], float (&second)[V]) {
    __shared__ float room[V][BN_THREADS];
    bn_join_rows<V>(first, room);
    bn_join_rows<V>(second, room);
    if (threadIdx.y != 0 || !p.inside)
        return;
    float *part = a.part + blockIdx.y * (size_t)2 * (size_t)a.c + p.channel;
    for (int k = 0; k < V; k++) {
        part[k] = first[k];
        part[a.c + k] = second[k];
    }
}

/** Multiplies by the factor of stochastic depth, if the layer has it. */
template <int V> static __device__ __forceinline__ void bn_drop_path(float (&v)[V], const bn_args &a, size_t row) {
    if (a.kept == nullptr)
        return;
    float factor = a.kept[row / a.image_rows] ? a.kept_factor : 0;
    for (int k = 0; k < V; k++)
        v[k] *= factor;
}

enum { JOIN_CHANNELS = 32, JOIN_ROWS = 8 };

/** Adds the parts of one channel over all chunks in a fixed order. Needs a block of JOIN_CHANNELS x JOIN_ROWS
 *  threads. */
static __device__ void bn_join_parts(double &first, double &second, const bn_args &a, int channel) {
    __shared__ double room[2][JOIN_ROWS][JOIN_CHANNELS];
    double s = 0, t = 0;
    for (int i = (int)threadIdx.y; i < a.chunks && channel < a.c; i += JOIN_ROWS) {
        const float *part = a.part + (size_t)i * 2 * (size_t)a.c + channel;
        s += (double)part[0];
        t += (double)part[a.c];
    }
    room[0][threadIdx.y][threadIdx.x] = s;
    room[1][threadIdx.y][threadIdx.x] = t;
    __syncthreads();
    first = second = 0;
    for (int i = 0; i < JOIN_ROWS; i++) {
        first += room[0][i][threadIdx.x];
        second += room[1][i][threadIdx.x];
    }
}

/** Stores the values for the other ranks: two per channel, and the number of rows. */
static __device__ void bn_hand_to_ranks(const bn_args &a, int channel, double first, double second) {
    a.joined[channel] = first;
    a.joined[a.c + channel] = second;
    if (channel == 0)
        a.joined[2 * a.c] = (double)a.m;
}

#endif
