/* Batch normalisation, backward, with g = dy multiplied by the ReLU mask:
 *
 *     dresidual = g     dbeta = sum g     dgamma = sum g * xhat
 *     dx = gamma / sqrt(var + eps) * (g - dbeta / m - xhat * dgamma / m)
 *
 * The kernels run in this order: bn_gradient_sums (which also writes dresidual), bn_gradient_factors, bn_gradient. For
 * synchronised BN, bn_gradient_factors stores this rank's two sums, from which it also computes dbeta and dgamma, and
 * bn_joined_factors continues with the sums of all ranks. dresidual, or dx if there is no residual, may be dy0. If
 * forward saved no mask because another kernel computed y, bn_unmasked_sums and bn_unmasked_gradient compute the mask
 * from x. With stochastic depth, g is multiplied by its factor except in dresidual (backend/ref/bn.c). */
#include "backend/cuda/kernels/bn.cuh"

/** The factors of forward: y = relu(x * scale + shift). */
template <int V> struct bn_applied {
    float scale[V], shift[V];
};

template <int V> static __device__ __forceinline__ void load_applied(bn_applied<V> &f, const bn_args &a, int channel) {
    for (int k = 0; k < V; k++) {
        f.scale[k] = a.applied[channel + k];
        f.shift[k] = a.applied[a.c + channel + k];
    }
}

template <class T, int V> static __device__ __forceinline__ void load_open(float (&g)[V], const bn_args &a, size_t i) {
    load_sum<T, V>(g, a.dy0, a.dy1, i);
    if (!a.relu)
        return;
    unsigned bits = a.mask[i / V];
    for (int k = 0; k < V; k++)
        g[k] = bits >> k & 1 ? g[k] : 0;
}

template <class T, int V>
static __device__ __forceinline__ void load_unmasked(float (&g)[V], const bn_args &a, size_t i, const float (&x)[V],
                                                     const bn_applied<V> &f) {
    load_sum<T, V>(g, a.dy0, a.dy1, i);
    for (int k = 0; k < V; k++)
        g[k] = x[k] * f.scale[k] + f.shift[k] <= 0 ? 0 : g[k]; /* as in bn_apply, NaN passes */
}

template <class T, int V, bool MASKED> static __device__ void gradient_sums(const bn_args &a) {
    bn_place p = bn_here<V>(a);
    bn_applied<V> f = {};
    float sum[V] = {}, product[V] = {}, mean[V] = {}, inv_std[V] = {}, g[V], x[V];
    for (int k = 0; k < V && p.inside; k++) {
        mean[k] = a.mean[p.channel + k];
        inv_std[k] = a.inv_std[p.channel + k];
    }
    if (!MASKED && p.inside)
        load_applied<V>(f, a, p.channel);
    for (size_t row = p.row; p.inside && row < p.end; row += blockDim.y) {
        size_t i = row * (size_t)a.c + (size_t)p.channel;
        load<T, V>(x, a.x, i);
        if (MASKED)
            load_open<T, V>(g, a, i);
        else
            load_unmasked<T, V>(g, a, i, x, f);
        if (a.dresidual != nullptr)
            store<T, V>(a.dresidual, i, g);
        bn_drop_path<V>(g, a, row);
        for (int k = 0; k < V; k++) {
            sum[k] += g[k];
            product[k] += g[k] * ((x[k] - mean[k]) * inv_std[k]);
        }
    }
    bn_store_part<V>(a, p, sum, product);
}
template <class T, int V> static __device__ void bn_gradient_sums(const bn_args &a) { gradient_sums<T, V, true>(a); }
template <class T, int V> static __device__ void bn_unmasked_sums(const bn_args &a) { gradient_sums<T, V, false>(a); }
FOR_TYPES_AND_PACKS(bn_gradient_sums, bn_args, bn_gradient_sums, BN_THREADS)
FOR_TYPES_AND_PACKS(bn_unmasked_sums, bn_args, bn_unmasked_sums, BN_THREADS)

static __device__ void write_factors(const bn_args &a, int channel, double sum, double product, double m) {
    double inv_std = (double)a.inv_std[channel], scale = (double)a.gamma[channel] * inv_std;
    double slope = -scale * inv_std * product / m;
    a.factor[channel] = (float)scale;
    a.factor[a.c + channel] = (float)slope;
    a.factor[2 * a.c + channel] = (float)(-scale * sum / m - slope * (double)a.mean[channel]);
}

extern "C" __global__ void __launch_bounds__(JOIN_CHANNELS *JOIN_ROWS) bn_gradient_factors(bn_args a) {
    int channel = (int)(blockIdx.x * JOIN_CHANNELS + threadIdx.x);
    double sum, product;
    bn_join_parts(sum, product, a, channel);
    if (threadIdx.y != 0 || channel >= a.c)
        return;
    a.dbeta[channel] = (float)((a.accumulate ? (double)a.dbeta[channel] : 0) + sum);
    a.dgamma[channel] = (float)((a.accumulate ? (double)a.dgamma[channel] : 0) + product);
    if (a.joined != nullptr)
        bn_hand_to_ranks(a, channel, sum, product);
    else
        write_factors(a, channel, sum, product, (double)a.m);
}

extern "C" __global__ void __launch_bounds__(BN_THREADS) bn_joined_factors(bn_args a) {
    int channel = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (channel < a.c)
        write_factors(a, channel, a.joined[channel], a.joined[a.c + channel], a.joined[2 * a.c]);
}

template <class T, int V, bool MASKED> static __device__ void gradient(const bn_args &a) {
    bn_place p = bn_here<V>(a);
    bn_applied<V> f = {};
    float of_g[V], of_x[V], plain[V], g[V], x[V];
    if (!p.inside)
        return;
    for (int k = 0; k < V; k++) {
        of_g[k] = a.factor[p.channel + k];
        of_x[k] = a.factor[a.c + p.channel + k];
        plain[k] = a.factor[2 * a.c + p.channel + k];
    }
    if (!MASKED)
        load_applied<V>(f, a, p.channel);
#pragma unroll 2
    for (size_t row = p.row; row < p.end; row += blockDim.y) {
        size_t i = row * (size_t)a.c + (size_t)p.channel;
        load<T, V>(x, a.x, i);
        if (!MASKED)
            load_unmasked<T, V>(g, a, i, x, f);
        else if (a.dresidual != nullptr)
            load<T, V>(g, a.dresidual, i); /* dy is overwritten if it shares memory with dresidual */
        else
            load_open<T, V>(g, a, i);
        bn_drop_path<V>(g, a, row);
        for (int k = 0; k < V; k++)
            x[k] = g[k] * of_g[k] + x[k] * of_x[k] + plain[k];
        store<T, V>(a.dx, i, x);
    }
}
template <class T, int V> static __device__ void bn_gradient(const bn_args &a) { gradient<T, V, true>(a); }
template <class T, int V> static __device__ void bn_unmasked_gradient(const bn_args &a) { gradient<T, V, false>(a); }
FOR_TYPES_AND_PACKS(bn_gradient, bn_args, bn_gradient, BN_THREADS)
FOR_TYPES_AND_PACKS(bn_unmasked_gradient, bn_args, bn_unmasked_gradient, BN_THREADS)
