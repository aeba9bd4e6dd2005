/* One step of an optimizer on the clipped gradient g' = min(1, clip / (norm + 1e-6)) * g, unless a gradient is not
 * finite. The formulas are in backend/ref/update.c.
 *
 * LAMB and LARS: tensor_sums adds the squares of w, and of g (LARS) or of the update (LAMB, whose running averages it
 * updates first), per chunk; trust_ratios adds the chunks of each parameter in order. update: the step itself, which
 * also stores w in the compute type. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256, PIECES = 4 };

struct update_factors {
    float lr, head_lr, momentum, fresh, decay, clip;
    float beta1, beta2, rest1, rest2; /* rest = 1 - beta */
    float rate1, root2;               /* 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    float alpha, rest, eps;
    bool nesterov, first;
};

static __device__ double clip_of(const cuda_state *s) {
    double clip = s->hyper.clip_norm > 0 ? s->hyper.clip_norm / (s->result.grad_norm + 1e-6) : 1;
    return clip < 1 ? clip : 1;
}

static __device__ update_factors factors_of(const cuda_state *s) {
    const cuda_hyper *h = &s->hyper;
    update_factors f;
    f.lr = (float)h->lr;
    f.head_lr = (float)h->head_lr;
    f.momentum = (float)h->momentum;
    f.fresh = (float)(1 - h->dampening);
    f.decay = (float)h->weight_decay;
    f.clip = (float)clip_of(s);
    f.beta1 = (float)h->beta1;
    f.beta2 = (float)h->beta2;
    f.rest1 = (float)(1 - h->beta1);
    f.rest2 = (float)(1 - h->beta2);
    f.rate1 = (float)(1 / s->bias1);
    f.root2 = (float)(1 / sqrt(s->bias2));
    f.alpha = (float)h->alpha;
    f.rest = (float)(1 - h->alpha);
    f.eps = (float)h->eps;
    f.nesterov = h->nesterov != 0;
    f.first = h->first_step != 0;
    return f;
}

/** The state of one element: the momentum buffer or running average of the gradient, and that of its square. */
struct element_state {
    float m, v;
};

/** Returns the step of SGD, without the learning rate; with LARS `trust` is not 1. */
static __device__ __forceinline__ float sgd(float p, element_state *s, float gradient, const update_factors &f,
                                            float decay, float trust) {
    float g = trust * (gradient * f.clip + decay * p);
    if (f.momentum == 0)
        return g;
    s->m = f.first ? g : f.momentum * s->m + f.fresh * g;
    return f.nesterov ? g + f.momentum * s->m : s->m;
}

static __device__ __forceinline__ void moments(element_state *s, float gradient, const update_factors &f) {
    float g = gradient * f.clip;
    s->m = f.beta1 * s->m + f.rest1 * g;
    s->v = f.beta2 * s->v + f.rest2 * g * g;
}

static __device__ __forceinline__ float adam(const element_state *s, const update_factors &f) {
    return f.rate1 * s->m / (f.root2 * sqrtf(s->v) + f.eps);
}

static __device__ __forceinline__ float rmsprop(float p, element_state *s, float gradient, const update_factors &f,
                                                float decay) {
    float g = gradient * f.clip + decay * p;
    s->v = f.alpha * s->v + f.rest * g * g;
    s->m = f.momentum * s->m + g / (sqrtf(s->v) + f.eps);
    return s->m;
}

/** Returns the new weight. *s: the state, updated; LAMB's has been updated by tensor_sums. */
static __device__ __forceinline__ float stepped(float p, element_state *s, float gradient, const update_factors &f,
                                                cuda_range r, int optimizer, float trust) {
    float lr = r.head ? f.head_lr : f.lr, decay = r.decays ? f.decay : 0;
    switch (optimizer) {
    case UPDATE_ADAMW: moments(s, gradient, f); return p * (1 - lr * decay) - lr * adam(s, f);
    case UPDATE_RMSPROP: return p - lr * rmsprop(p, s, gradient, f, decay);
    case UPDATE_LAMB: return p - lr * trust * (adam(s, f) + decay * p);
    default: return p - lr * sgd(p, s, gradient, f, decay, trust);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) tensor_sums(update_args a) {
    __shared__ double room[THREADS];
    if (!a.state->result.finite)
        return;
    cuda_chunk c = a.chunk[blockIdx.x];
    update_factors f = factors_of(a.state);
    float decay = a.range[c.range].decays ? f.decay : 0;
    double of_w = 0, other = 0;
    for (size_t i = c.begin + threadIdx.x; i < c.end; i += THREADS) {
        float w = a.weight[i], x = a.gradient[i];
        if (a.optimizer == UPDATE_LAMB) {
            element_state s = {a.momentum[i], a.square[i]};
            moments(&s, x, f);
            a.momentum[i] = s.m;
            a.square[i] = s.v;
            x = adam(&s, f) + decay * w;
        }
        of_w += (double)w * (double)w;
        other += (double)x * (double)x;
    }
    of_w = block_sum(of_w, room, threadIdx.x, THREADS);
    other = block_sum(other, room, threadIdx.x, THREADS);
    if (threadIdx.x != 0)
        return;
    a.sums[2 * blockIdx.x] = of_w;
    a.sums[2 * blockIdx.x + 1] = other;
}

/** One block per range; its threads read the chunks that they find by their range. */
extern "C" __global__ void __launch_bounds__(THREADS) trust_ratios(update_args a) {
    __shared__ double room[THREADS];
    const cuda_state *s = a.state;
    int range = (int)blockIdx.x;
    double w = 0, other = 0;
    for (int i = (int)threadIdx.x; i < a.chunk_n; i += THREADS)
        if (a.chunk[i].range == range) {
            w += a.sums[2 * i];
            other += a.sums[2 * i + 1];
        }
    w = sqrt(block_sum(w, room, threadIdx.x, THREADS));
    other = sqrt(block_sum(other, room, threadIdx.x, THREADS));
    if (threadIdx.x != 0)
        return;
    double decay = a.range[range].decays ? s->hyper.weight_decay : 0, ratio = 1;
    if (a.optimizer == UPDATE_LARS)
        other *= clip_of(s);
    if (decay != 0 && w > 0 && other > 0)
        ratio = a.optimizer == UPDATE_LAMB ? w / other : s->hyper.trust * w / (other + decay * w + s->hyper.eps);
    a.trust[range] = (float)ratio;
}

/** Index of the range that contains element i. */
static __device__ int range_of(const update_args &a, size_t i) {
    int low = 0, high = a.range_n - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (i < a.range[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

template <class T> static __device__ void update(const update_args &a) {
    size_t i = (blockIdx.x * (size_t)THREADS + threadIdx.x) * PIECES;
    if (!a.state->result.finite || i >= a.n)
        return;
    update_factors f = factors_of(a.state);
    int n = i + PIECES <= a.n ? PIECES : (int)(a.n - i), range = range_of(a, i);
    bool whole = n == PIECES, squares = a.square != nullptr;
    float p[PIECES], m[PIECES], v[PIECES] = {0}, g[PIECES];
    if (whole) {
        load<float, PIECES>(p, a.weight, i);
        load<float, PIECES>(m, a.momentum, i);
        load<float, PIECES>(g, a.gradient, i);
        if (squares)
            load<float, PIECES>(v, a.square, i);
    }
    for (int k = 0; k < n; k++) {
        if (!whole) {
            p[k] = a.weight[i + k];
            m[k] = a.momentum[i + k];
            g[k] = a.gradient[i + k];
            v[k] = squares ? a.square[i + k] : 0;
        }
        while (i + k >= a.range[range].end)
            range++;
        element_state s = {m[k], v[k]};
        p[k] = stepped(p[k], &s, g[k], f, a.range[range], a.optimizer, a.trust != nullptr ? a.trust[range] : 1);
        m[k] = s.m;
        v[k] = s.v;
    }
    if (whole) {
        store<float, PIECES>(a.weight, i, p);
        store<float, PIECES>(a.momentum, i, m);
        if (squares)
            store<float, PIECES>(a.square, i, v);
        if (a.copy != nullptr)
            store<T, PIECES>(a.copy, i, p);
    }
    for (int k = 0; k < n && !whole; k++) {
        a.weight[i + k] = p[k];
        a.momentum[i + k] = m[k];
        if (squares)
            a.square[i + k] = v[k];
        if (a.copy != nullptr)
            from_float(((T *)a.copy)[i + k], p[k]);
    }
}
FOR_TYPES(update, update_args, update, THREADS)
