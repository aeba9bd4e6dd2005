/* The two passes over the parameter arenas, and the state that the host sets between steps.
 *
 *  1. unscale: g /= loss_scale, and the sum of squares per block; g is not written if loss_scale is 1, except in
 *     16-mixed, in which a scaled gradient beyond the fp16 range becomes infinite. gradient_norm: |g|_2 over the
 *     trained parameters; finite = no infinity or NaN among them.
 *  2. update, unless finite is false (optimizer.cu). scaler: counts the update; a step that is not finite multiplies
 *     the scale by backoff_factor; growth_interval finite steps in a row multiply it by growth_factor.
 *
 * Equals torch.nn.utils.clip_grad_norm_ and GradScaler. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256, PIECES = 4 };

#define FP16_MAX 65504.0f

static __device__ __forceinline__ double scale_of(const cuda_state *s) {
    return s->hyper.loss_scale != 0 ? s->hyper.loss_scale : s->scaler.scale;
}

extern "C" __global__ void __launch_bounds__(THREADS) unscale(update_args a) {
    __shared__ double room[THREADS];
    __shared__ int counts[THREADS];
    size_t step = (size_t)gridDim.x * THREADS * PIECES;
    float scale = (float)scale_of(a.state), g[PIECES];
    bool writes = scale != 1 || a.fp16; /* else the gradient stays as it is */
    double sum = 0;
    int overflow = 0;
    for (size_t i = (blockIdx.x * (size_t)THREADS + threadIdx.x) * PIECES; i < a.n; i += step) {
        bool whole = i + PIECES <= a.n;
        int n = whole ? PIECES : (int)(a.n - i);
        if (whole)
            load<float, PIECES>(g, a.gradient, i);
        for (int k = 0; k < n; k++) {
            float v = whole ? g[k] : a.gradient[i + k];
            if (a.fp16 && fabsf(v) > FP16_MAX)
                v = copysignf(INFINITY, v);
            g[k] = v / scale;
            sum += (double)g[k] * (double)g[k];
            overflow += !isfinite(g[k]);
        }
        if (writes && whole)
            store<float, PIECES>(a.gradient, i, g);
        for (int k = 0; k < n && writes && !whole; k++)
            a.gradient[i + k] = g[k];
    }
    sum = block_sum(sum, room, threadIdx.x, THREADS);
    overflow = block_sum(overflow > 0 ? 1 : 0, counts, threadIdx.x, THREADS);
    if (threadIdx.x != 0)
        return;
    a.part[blockIdx.x] = sum;
    a.overflow[blockIdx.x] = overflow;
}

extern "C" __global__ void __launch_bounds__(THREADS) gradient_norm(update_args a) {
    __shared__ double room[THREADS];
    __shared__ int counts[THREADS];
    double sum = 0;
    int overflow = 0;
    for (int i = (int)threadIdx.x; i < a.blocks; i += THREADS) {
        sum += a.part[i];
        overflow += a.overflow[i];
    }
    sum = block_sum(sum, room, threadIdx.x, THREADS);
    overflow = block_sum(overflow, counts, threadIdx.x, THREADS);
    if (threadIdx.x != 0)
        return;
    cuda_state *s = a.state;
    double step = (double)(s->updates + 1);
    s->result.grad_norm = sqrt(sum);
    s->result.finite = overflow == 0;
    s->bias1 = 1 - pow(s->hyper.beta1, step);
    s->bias2 = 1 - pow(s->hyper.beta2, step);
}

extern "C" __global__ void scaler(update_args a) {
    cuda_grad_scaler *s = &a.state->scaler;
    if (a.state->result.finite)
        a.state->updates++;
    if (a.state->hyper.loss_scale != 0)
        return;
    if (!a.state->result.finite) {
        s->scale *= s->backoff_factor;
        s->growth_tracker = 0;
    } else if (++s->growth_tracker == s->growth_interval) {
        s->scale *= s->growth_factor;
        s->growth_tracker = 0;
    }
}

/** Converts all weights to the compute type, after the host has written some of them. */
template <class T> static __device__ void cast(const update_args &a) {
    size_t i = blockIdx.x * (size_t)THREADS + threadIdx.x, step = (size_t)gridDim.x * THREADS;
    for (; i < a.n; i += step)
        from_float(((T *)a.copy)[i], a.weight[i]);
}
FOR_TYPES(cast, update_args, cast, THREADS)

/** As half_narrow (distributed/half.h): rounds, then divides, so that the sum over ranks does not overflow. */
template <class T> static __device__ void narrow(const half_args &a) {
    size_t i = blockIdx.x * (size_t)THREADS + threadIdx.x, step = (size_t)gridDim.x * THREADS;
    for (; i < a.n; i += step) {
        T rounded;
        from_float(rounded, a.gradient[i]);
        from_float(((T *)a.half)[i], to_float(rounded) / (float)a.ranks);
    }
}
FOR_TYPES(narrow, half_args, narrow, THREADS)

template <class T> static __device__ void widen(const half_args &a) {
    size_t i = blockIdx.x * (size_t)THREADS + threadIdx.x, step = (size_t)gridDim.x * THREADS;
    for (; i < a.n; i += step)
        a.gradient[i] = to_float(((const T *)a.half)[i]);
}
FOR_TYPES(widen, half_args, widen, THREADS)

extern "C" __global__ void set_hyper(hyper_args a) {
    a.state->hyper = a.hyper;
    if (a.hyper.updates >= 0)
        a.state->updates = a.hyper.updates;
}
extern "C" __global__ void set_grad_scaler(grad_scaler_args a) { a.state->scaler = a.scaler; }

extern "C" __global__ void reset_result(reset_args a) {
    cuda_result *r = &a.state->result;
    r->loss_sum = 0;
    r->images = r->top1 = r->top5 = 0;
}
