/* Prepares a batch: x = (pixel / 255 - mean) / std, with channels padded with zeros; copies the labels. */
#include "backend/cuda/kernels/device.cuh"

template <class T> static __device__ void load_batch(const load_args &a) {
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x, step = (size_t)gridDim.x * blockDim.x;
    for (size_t k = i; k < (size_t)a.n; k += step) {
        a.label[k] = a.label_in[k];
        a.label_b[k] = a.label_b_in[k];
        a.mix[k] = a.mix_in[k];
    }
    for (; i < a.m; i += step) {
        T *x = (T *)a.x + i * (size_t)a.c;
        for (int k = 0; k < 3; k++)
            from_float(x[k], ((float)a.pixels[3 * i + k] / 255.0f - a.mean[k]) / a.std[k]);
        for (int k = 3; k < a.c; k++)
            from_float(x[k], 0.0f);
    }
}
FOR_TYPES(load_batch, load_args, load_batch, 256)
