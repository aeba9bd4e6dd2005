/* Loss with label smoothing s over C classes, two labels a and b, mix m, class weights w (or all 1):
 *
 *     t = (1 - s) * (m * onehot(a) + (1 - m) * onehot(b)) + s / C
 *
 * Softmax cross-entropy: loss = -sum_j w_j t_j log p_j with p = softmax(logits)
 *     dlogits_k = (p_k sum_j w_j t_j - w_k t_k) * loss_scale / images
 * For the weighted mean of class labels, both are multiplied by n / sum_i w[label_i].
 *
 * Binary cross-entropy: loss = sum_j w_j (max(z_j, 0) - z_j t_j + log(1 + exp(-|z_j|))) / C
 *     dlogits_k = w_k (sigmoid(z_k) - t_k) / C * loss_scale / images
 *
 * loss_images: one block per image. loss_join: one block, adds to the result in a fixed order. Computes in double,
 * because a batch has few logits. Same formulas and the same rule for NaN as base/softmax.h and base/bce.h. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256 };

/** The block's largest value. A comparison with NaN keeps the first operand, as in a sequential loop. */
static __device__ double block_largest(double value, double *room, unsigned i) {
    room[i] = value;
    __syncthreads();
    for (unsigned half = THREADS / 2; half > 0; half /= 2) {
        if (i < half)
            room[i] = room[i + half] > room[i] ? room[i + half] : room[i];
        __syncthreads();
    }
    return room[0];
}

static __device__ double log_sum_exp(const float *logits, int classes, double *room) {
    double largest = (double)logits[0], sum = 0;
    for (int j = (int)threadIdx.x; j < classes; j += THREADS)
        largest = (double)logits[j] > largest ? (double)logits[j] : largest;
    largest = block_largest(largest, room, threadIdx.x);
    if (isinf(largest))
        return largest;
    for (int j = (int)threadIdx.x; j < classes; j += THREADS)
        sum += exp((double)logits[j] - largest);
    return largest + log(block_sum(sum, room, threadIdx.x, THREADS));
}

/** t_j of image i */
static __device__ double target_of(const loss_args &a, int i, int j) {
    double s = a.state->hyper.label_smoothing, mix = (double)a.mix[i];
    return s / a.classes + (1 - s) * (mix * (j == a.label[i]) + (1 - mix) * (j == a.label_b[i]));
}

static __device__ double weight_of(const loss_args &a, int j) {
    return a.state->hyper.loss_weighted ? a.weight[j] : 1;
}

/** sum_j w_j t_j of image i; exactly 1 without weights. */
static __device__ double weighted_mass(const loss_args &a, int i, double *room) {
    double mass = 0;
    if (!a.state->hyper.loss_weighted)
        return 1;
    for (int j = (int)threadIdx.x; j < a.classes; j += THREADS)
        mass += weight_of(a, j) * target_of(a, i, j);
    return block_sum(mass, room, threadIdx.x, THREADS);
}

/** softmax_weight_factor of base/softmax.h. Every block computes it, because a batch has few labels. */
static __device__ double weight_factor(const loss_args &a, double *room) {
    double sum = 0;
    if (!a.state->hyper.loss_weighted || a.state->hyper.loss_soft)
        return 1;
    for (int i = (int)threadIdx.x; i < a.n; i += THREADS)
        sum += a.weight[a.label[i]];
    sum = block_sum(sum, room, threadIdx.x, THREADS);
    return sum > 0 ? a.n / sum : 0;
}

/** The part of image i's loss that this thread computes, and its elements of dlogits. */
static __device__ double softmax_part(const loss_args &a, int i, const float *logits, float *dlogits, double scale,
                                      double *room) {
    double total = log_sum_exp(logits, a.classes, room), mass = weighted_mass(a, i, room), loss = 0;
    double factor = weight_factor(a, room);
    for (int j = (int)threadIdx.x; j < a.classes; j += THREADS) {
        double z = (double)logits[j], target = weight_of(a, j) * target_of(a, i, j);
        if (target != 0) /* avoids 0 * infinity for a logit of -infinity with target 0 */
            loss -= target * (z - total);
        if (dlogits != nullptr)
            dlogits[j] = (float)((exp(z - total) * mass - target) * (factor * scale));
    }
    return factor * loss;
}

/** The same for binary cross-entropy. */
static __device__ double binary_part(const loss_args &a, int i, const float *logits, float *dlogits, double scale) {
    const cuda_hyper *h = &a.state->hyper;
    double loss = 0;
    for (int j = (int)threadIdx.x; j < a.classes; j += THREADS) {
        double z = (double)logits[j], t = target_of(a, i, j), e = exp(-fabs(z));
        double weight = weight_of(a, j) / (h->bce_sum ? 1 : a.classes);
        if (h->bce_threshold >= 0)
            t = t > h->bce_threshold;
        loss += weight * ((z > 0 ? z : 0) - z * t + log1p(e));
        if (dlogits != nullptr)
            dlogits[j] = (float)(weight * ((z >= 0 ? 1 : e) / (1 + e) - t) * scale);
    }
    return loss;
}

extern "C" __global__ void __launch_bounds__(THREADS) loss_images(loss_args a) {
    __shared__ double room[THREADS];
    __shared__ int counts[THREADS];
    const cuda_hyper *h = &a.state->hyper;
    int i = (int)blockIdx.x, label = a.label[i], before = 0;
    const float *logits = a.logits + (size_t)i * (size_t)a.classes;
    float *dlogits = a.dlogits != nullptr ? a.dlogits + (size_t)i * (size_t)a.classes : nullptr;
    double scale = (h->loss_scale != 0 ? h->loss_scale : a.state->scaler.scale) / h->images;
    double loss = h->loss_binary ? binary_part(a, i, logits, dlogits, scale)
                                 : softmax_part(a, i, logits, dlogits, scale, room);
    float own = logits[label];
    for (int j = (int)threadIdx.x; j < a.classes; j += THREADS) {
        float v = logits[j];
        before += v > own || isnan(v) || (v == own && j < label);
    }
    loss = block_sum(loss, room, threadIdx.x, THREADS);
    before = block_sum(before, counts, threadIdx.x, THREADS);
    if (threadIdx.x != 0)
        return;
    a.image_loss[i] = loss;
    a.image_rank[i] = isnan(own) ? a.classes : before;
}

extern "C" __global__ void __launch_bounds__(THREADS) loss_join(loss_args a) {
    __shared__ double room[THREADS];
    __shared__ int counts[THREADS];
    double loss = 0;
    int top1 = 0, top5 = 0;
    for (int i = (int)threadIdx.x; i < a.n; i += THREADS) {
        loss += a.image_loss[i];
        top1 += a.image_rank[i] < 1;
        top5 += a.image_rank[i] < 5;
    }
    loss = block_sum(loss, room, threadIdx.x, THREADS);
    top1 = block_sum(top1, counts, threadIdx.x, THREADS);
    top5 = block_sum(top5, counts, threadIdx.x, THREADS);
    if (threadIdx.x != 0)
        return;
    cuda_result *r = &a.state->result;
    r->loss_sum += loss;
    r->top1 += top1;
    r->top5 += top5;
    r->images += a.n;
}
