/* Batch normalisation, forward, over the m values of each channel, with optional residual and ReLU:
 *
 *     xhat = (x - mean) / sqrt(var + eps)     y = relu(gamma * xhat + beta + residual)
 *
 * The kernels run in this order: bn_sums, bn_statistics (evaluation: bn_running instead of the two), bn_apply. For
 * synchronised BN, bn_statistics stores this rank's mean and variance, and bn_joined_statistics continues with those of
 * all ranks. The sums are of x minus the channel's first value, so a large mean causes no cancellation. The sums output
 * by a 16-bit convolution (fused_conv_bn_stats.c) are of x itself. If a convolution applies the factors itself
 * (fused_bn_relu_conv.c), bn_round_factors, which rounds them to the convolution's type, replaces bn_apply. Source: Ioffe and
 * Szegedy 2015; equals torch.nn.functional.batch_norm. */
#include "backend/cuda/kernels/bn.cuh"

#define EPSILON 1e-5
#define MOMENTUM 0.1

template <class T, int V> static __device__ void bn_sums(const bn_args &a) {
    bn_place p = bn_here<V>(a);
    float sum[V] = {}, square[V] = {}, shift[V] = {}, x[V];
    if (p.inside)
        load<T, V>(shift, a.x, (size_t)p.channel);
    for (size_t row = p.row; p.inside && row < p.end; row += blockDim.y) {
        load<T, V>(x, a.x, row * (size_t)a.c + (size_t)p.channel);
        for (int k = 0; k < V; k++) {
            float v = x[k] - shift[k];
            sum[k] += v;
            square[k] += v * v;
        }
    }
    if (blockIdx.y == 0 && threadIdx.y == 0 && p.inside)
        for (int k = 0; k < V; k++)
            a.mean[p.channel + k] = shift[k]; /* bn_statistics adds it back */
    bn_store_part<V>(a, p, sum, square);
}
FOR_TYPES_AND_PACKS(bn_sums, bn_args, bn_sums, BN_THREADS)

static __device__ void write_factor(const bn_args &a, int channel, double mean, double inv_std) {
    double scale = (double)a.gamma[channel] * inv_std;
    a.factor[channel] = (float)scale;
    a.factor[a.c + channel] = (float)((double)a.beta[channel] - mean * scale);
}

/** Writes the results of a channel's batch statistics. var: biased, of m rows. */
static __device__ void write_statistics(const bn_args &a, int channel, double mean, double var, double m) {
    double inv_std = 1 / sqrt(var + EPSILON);
    a.mean[channel] = (float)mean;
    a.inv_std[channel] = (float)inv_std;
    if (a.running_mean != nullptr) {
        a.running_mean[channel] = (float)((1 - MOMENTUM) * (double)a.running_mean[channel] + MOMENTUM * mean);
        a.running_var[channel] = (float)((1 - MOMENTUM) * (double)a.running_var[channel] + MOMENTUM * var * m / (m - 1));
    }
    write_factor(a, channel, mean, inv_std);
    if (a.affine != nullptr) {
        a.affine[channel] = a.gamma[channel];
        a.affine[a.c + channel] = a.beta[channel];
    }
}

extern "C" __global__ void __launch_bounds__(JOIN_CHANNELS *JOIN_ROWS) bn_statistics(bn_args a) {
    int channel = (int)(blockIdx.x * JOIN_CHANNELS + threadIdx.x);
    double sum, square, m = (double)a.m;
    bn_join_parts(sum, square, a, channel);
    if (threadIdx.y != 0 || channel >= a.c)
        return;
    double about = sum / m, mean = (a.shifted ? (double)a.mean[channel] : 0) + about, var = square / m - about * about;
    var = var < 0 ? 0 : var;
    if (a.joined != nullptr)
        bn_hand_to_ranks(a, channel, mean, var);
    else
        write_statistics(a, channel, mean, var, m);
}

extern "C" __global__ void __launch_bounds__(BN_THREADS) bn_joined_statistics(bn_args a) {
    int channel = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (channel < a.c)
        write_statistics(a, channel, a.joined[channel], a.joined[a.c + channel], a.joined[2 * a.c]);
}

extern "C" __global__ void __launch_bounds__(BN_THREADS) bn_running(bn_args a) {
    int channel = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (channel < a.c)
        write_factor(a, channel, (double)a.running_mean[channel], 1 / sqrt((double)a.running_var[channel] + EPSILON));
}

template <class T, int V> static __device__ void bn_apply(const bn_args &a) {
    bn_place p = bn_here<V>(a);
    float scale[V], shift[V], x[V], r[V];
    if (!p.inside)
        return;
    for (int k = 0; k < V; k++) {
        scale[k] = a.factor[p.channel + k];
        shift[k] = a.factor[a.c + p.channel + k];
    }
#pragma unroll 2
    for (size_t row = p.row; row < p.end; row += blockDim.y) {
        size_t i = row * (size_t)a.c + (size_t)p.channel;
        unsigned bits = 0;
        load<T, V>(x, a.x, i);
        for (int k = 0; k < V; k++)
            x[k] = x[k] * scale[k] + shift[k];
        bn_drop_path<V>(x, a, row);
        if (a.residual != nullptr) {
            load<T, V>(r, a.residual, i);
            for (int k = 0; k < V; k++)
                x[k] += r[k];
        }
        for (int k = 0; k < V && a.relu; k++) {
            bool open = !(x[k] <= 0); /* relu(NaN) is NaN */
            bits |= (unsigned)open << k;
            x[k] = open ? x[k] : 0;
        }
        store<T, V>(a.y, i, x);
        if (a.mask != nullptr)
            a.mask[i / V] = (uint8_t)bits;
    }
}
FOR_TYPES_AND_PACKS(bn_apply, bn_args, bn_apply, BN_THREADS)

/** Rounds factor to T and stores the rounded values in fp32 too, so that backward uses the same values as the
 *  convolution. */
template <class T> static __device__ void bn_round_factors(const bn_args &a) {
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= 2 * a.c)
        return;
    from_float(((T *)a.rounded)[i], a.factor[i]);
    a.factor[i] = to_float(((const T *)a.rounded)[i]);
}
FOR_TYPES(bn_round_factors, bn_args, bn_round_factors, BN_THREADS)
