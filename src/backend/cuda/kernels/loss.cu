/* Softmax cross-entropy with label smoothing s over C classes, two labels a and b, mix m:
 *
 *     t = (1 - s) * (m * onehot(a) + (1 - m) * onehot(b)) + s / C
 *     loss = -sum_j t_j log softmax(logits)_j       dlogits = (softmax - t) * loss_scale / images
 *
 * loss_images: one block per image. loss_join: one block, adds to the result in a fixed order. Computes in double,
 * because a batch has few logits. Same formulas and the same rule for NaN as base/softmax.h. */
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

extern "C" __global__ void __launch_bounds__(THREADS) loss_images(loss_args a) {
    __shared__ double room[THREADS];
    __shared__ int counts[THREADS];
    const cuda_hyper *h = &a.state->hyper;
    int i = (int)blockIdx.x, label = a.label[i], label_b = a.label_b[i], before = 0;
    const float *logits = a.logits + (size_t)i * (size_t)a.classes;
    float *dlogits = a.dlogits != nullptr ? a.dlogits + (size_t)i * (size_t)a.classes : nullptr;
    double s = h->label_smoothing, mix = (double)a.mix[i], loss = 0;
    double scale = (h->loss_scale != 0 ? h->loss_scale : a.state->scaler.scale) / h->images;
    double total = log_sum_exp(logits, a.classes, room);
    float own = logits[label];
    for (int j = (int)threadIdx.x; j < a.classes; j += THREADS) {
        float v = logits[j];
        double target = s / a.classes + (1 - s) * (mix * (j == label) + (1 - mix) * (j == label_b));
        if (target != 0) /* avoids 0 * infinity for a logit of -infinity with target 0 */
            loss -= target * ((double)v - total);
        if (dlogits != nullptr)
            dlogits[j] = (float)((exp((double)v - total) - target) * scale);
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
