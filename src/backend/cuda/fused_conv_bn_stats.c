/* A convolution that computes the sums for the following BN in its epilogue (cuDNN's GenStats), which saves a pass over
 * y.
 *
 * Numerics: the sums are of y and y^2 in fp32, without the shift that BN's own pass uses, so var = E[y^2] - E[y]^2
 * suffers cancellation. A relative error of 2^-22 in each sum (an estimate) would give a relative error of
 * 2^-22 (1 + (mean / std)^2) in var. Rounding y adds a relative error of 2^-20 / 12 (mean / std)^2 in fp16, about a
 * third of that, and 64 times as much in bf16. In fp32 there is no such rounding error, so fp32 uses BN's own pass with
 * the shift. */
#include "backend/cuda/cudnn_conv.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>

/** One of BN's own passes, for a measurement. */
typedef struct pass_trial {
    const cuda_device *device;
    tensor_shape x;
    kernel f32;
    void *memory;
} pass_trial;

static int queue_pass(void *what) {
    const pass_trial *t = what;
    return cuda_bn_queue_pass(t->device, t->x, t->f32, t->memory);
}

int bn_pass_microseconds(double *out, cuda_device *d, const convolution_shape *s, const char *what, kernel f32,
                         tensor_shape x) {
    choice one = {.candidate = 0};
    pass_trial t = {.device = d, .x = x, .f32 = f32};
    size_t bytes = cuda_bn_pass_bytes(d, x);
    int rc = OK;
    convolution_key(one.key, d, s, what, ELEMENT_F32);
    const choice *known = autotune_cache_find(&d->autotune, one.key);
    if (known != NULL) {
        *out = known->microseconds;
        return OK;
    }
    *out = INFINITY;
    TRY(gpu_allocate(&t.memory, d, bytes));
    TRY(gpu_time(&one.microseconds, d, queue_pass, &t));
    *out = one.microseconds;
    TRY(autotune_cache_add(&d->autotune, &one));
done:
    gpu_release(d, t.memory, bytes);
    return rc == E_NOMEM ? OK : rc;
}

int fused_conv_bn_stats_find(convolution **out, bool *sums, double *microseconds, cuda_device *d,
                             const convolution_shape *s, convolution *plain, convolution_pass pass) {
    convolution *fused = NULL;
    double own = INFINITY, alone = plain != NULL ? convolution_microseconds(plain) : INFINITY;
    int rc = OK;
    *out = plain;
    *sums = false;
    *microseconds = INFINITY;
    if (s->type == ELEMENT_F32 || s->y.c % FUSED_CHANNELS != 0 || (plain != NULL && isinf(alone)))
        return OK;
    rc = convolution_find(&fused, d, s, pass);
    if (rc == E_NOMEM)
        return rc;
    double together =
        rc == OK ? convolution_microseconds(fused) : INFINITY; /* not supported by cuDNN for this GPU or shape */
    rc = OK;
    if (plain != NULL)
        TRY(bn_pass_microseconds(&own, d, s, "sums", KERNEL_bn_sums, s->y));
    *microseconds = alone + own;
    if (!isinf(together) && (plain == NULL || (together < alone + own && !isinf(own)))) {
        *out = fused;
        *sums = true;
        *microseconds = together;
    }
done:
    return rc;
}
