/* Max-pooling: y[n,p,q,c] = max_{r,s} x[n, p*stride+r-pad, q*stride+s-pad, c], with -infinity as padding. The gradient
 * goes only to the position of the maximum: the first in row-major order of the window; NaN counts as larger than all
 * numbers. Each x adds the gradients of the windows that contain it, from the last window to the first, so the order of
 * the sum is fixed. Equals torch.nn.functional.max_pool2d. Global average pooling: the mean over all pixels of a
 * channel. Shortcut without parameters: y[n,p,q,k] = x[n, p*stride, q*stride, k-pad], and 0 where x has no such
 * channel; `pad` counts channels and is a multiple of the pack. One thread per pack of channels. */
#include "backend/cuda/kernels/device.cuh"

/** Pixel and first channel of this thread's pack in an (n, h, w, c) tensor. @return false if there is no such pack */
template <int V>
static __device__ __forceinline__ bool pack_place(int &n, int &h, int &w, int &channel, const pool_args &a, int height,
                                                  int width) {
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x, packs = (size_t)a.c / V;
    channel = (int)(i % packs) * V;
    i /= packs;
    w = (int)(i % (size_t)width);
    i /= (size_t)width;
    h = (int)(i % (size_t)height);
    i /= (size_t)height;
    n = (int)i;
    return i < (size_t)a.n;
}

static __device__ __forceinline__ size_t at(int n, int h, int w, int channel, int height, int width, int c) {
    return (((size_t)n * (size_t)height + (size_t)h) * (size_t)width + (size_t)w) * (size_t)c + (size_t)channel;
}

template <class T, int V> static __device__ void maxpool(const pool_args &a) {
    int n, p, q, channel;
    if (!pack_place<V>(n, p, q, channel, a, a.p, a.q))
        return;
    float best[V], x[V];
    pack<uint8_t, V> index;
    bool first = true;
    for (int r = 0; r < a.kernel; r++)
        for (int s = 0; s < a.kernel; s++) {
            int h = p * a.stride + r - a.pad, w = q * a.stride + s - a.pad;
            if (h < 0 || h >= a.h || w < 0 || w >= a.w)
                continue;
            load<T, V>(x, a.x, at(n, h, w, channel, a.h, a.w, a.c));
            for (int k = 0; k < V; k++)
                if (first || x[k] > best[k] || isnan(x[k])) {
                    best[k] = x[k];
                    index.v[k] = (uint8_t)(r * a.kernel + s);
                }
            first = false;
        }
    size_t i = at(n, p, q, channel, a.p, a.q, a.c);
    store<T, V>(a.y, i, best);
    if (a.index != nullptr)
        *(pack<uint8_t, V> *)(a.index + i) = index;
}
FOR_TYPES_AND_PACKS(maxpool, pool_args, maxpool, 256)

/** The first window that contains position i of one axis: the smallest p >= 0 with p * stride - pad + kernel > i. */
static __device__ __forceinline__ int first_window(int i, const pool_args &a) {
    int reach = i + a.pad - a.kernel;
    return reach < 0 ? 0 : reach / a.stride + 1;
}

/** The last of `windows` windows that contains position i. */
static __device__ __forceinline__ int last_window(int i, int windows, const pool_args &a) {
    int last = (i + a.pad) / a.stride;
    return last < windows ? last : windows - 1;
}

template <class T, int V> static __device__ void maxpool_gradient(const pool_args &a) {
    int n, h, w, channel;
    if (!pack_place<V>(n, h, w, channel, a, a.h, a.w))
        return;
    float sum[V] = {}, g[V];
    int p_first = first_window(h, a), q_first = first_window(w, a);
    for (int p = last_window(h, a.p, a); p >= p_first; p--)
        for (int q = last_window(w, a.q, a); q >= q_first; q--) {
            int place = (h + a.pad - p * a.stride) * a.kernel + w + a.pad - q * a.stride;
            size_t i = at(n, p, q, channel, a.p, a.q, a.c);
            pack<uint8_t, V> index = *(const pack<uint8_t, V> *)(a.index + i);
            load_sum<T, V>(g, a.dy0, a.dy1, i);
            for (int k = 0; k < V; k++)
                sum[k] += index.v[k] == place ? g[k] : 0;
        }
    store<T, V>(a.dx, at(n, h, w, channel, a.h, a.w, a.c), sum);
}
FOR_TYPES_AND_PACKS(maxpool_gradient, pool_args, maxpool_gradient, 256)

template <class T, int V> static __device__ void avgpool(const pool_args &a) {
    int n, p, q, channel;
    if (!pack_place<V>(n, p, q, channel, a, 1, 1))
        return;
    float sum[V] = {}, x[V];
    size_t area = (size_t)a.h * (size_t)a.w, c = (size_t)a.c;
#pragma unroll 4 /* overlaps several loads */
    for (size_t i = 0; i < area; i++) {
        load<T, V>(x, a.x, ((size_t)n * area + i) * c + (size_t)channel);
        for (int k = 0; k < V; k++)
            sum[k] += x[k];
    }
    for (int k = 0; k < V; k++)
        sum[k] /= (float)area;
    store<T, V>(a.y, (size_t)n * c + (size_t)channel, sum);
}
FOR_TYPES_AND_PACKS(avgpool, pool_args, avgpool, 256)

template <class T, int V> static __device__ void avgpool_gradient(const pool_args &a) {
    int n, h, w, channel;
    if (!pack_place<V>(n, h, w, channel, a, a.h, a.w))
        return;
    float g[V];
    load_sum<T, V>(g, a.dy0, a.dy1, (size_t)n * (size_t)a.c + (size_t)channel);
    for (int k = 0; k < V; k++)
        g[k] /= (float)a.h * (float)a.w;
    store<T, V>(a.dx, at(n, h, w, channel, a.h, a.w, a.c), g);
}
FOR_TYPES_AND_PACKS(avgpool_gradient, pool_args, avgpool_gradient, 256)

template <class T, int V> static __device__ void shortcut(const pool_args &a) {
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x, packs = (size_t)a.y_c / V;
    int channel = (int)(i % packs) * V - a.pad;
    size_t pixel = i / packs, row = pixel / (size_t)a.q;
    int n = (int)(row / (size_t)a.p), p = (int)(row % (size_t)a.p), q = (int)(pixel % (size_t)a.q);
    if (row >= (size_t)a.n * (size_t)a.p)
        return;
    float x[V] = {};
    if (channel >= 0 && channel < a.c)
        load<T, V>(x, a.x, at(n, p * a.stride, q * a.stride, channel, a.h, a.w, a.c));
    store<T, V>(a.y, i * V, x);
}
FOR_TYPES_AND_PACKS(shortcut, pool_args, shortcut, 256)

template <class T, int V> static __device__ void shortcut_gradient(const pool_args &a) {
    int n, h, w, channel;
    if (!pack_place<V>(n, h, w, channel, a, a.h, a.w))
        return;
    float g[V] = {};
    if (h % a.stride == 0 && w % a.stride == 0)
        load_sum<T, V>(g, a.dy0, a.dy1, at(n, h / a.stride, w / a.stride, channel + a.pad, a.p, a.q, a.y_c));
    store<T, V>(a.dx, at(n, h, w, channel, a.h, a.w, a.c), g);
}
FOR_TYPES_AND_PACKS(shortcut_gradient, pool_args, shortcut_gradient, 256)
