/* A convolution with the sums for the BN behind it in its epilogue (cuDNN's GenStats): y is not read once more for
 * them.
 *
 * Numbers: the sums are of y and y^2 in fp32, without the shift of BN's own pass, so var = E[y^2] - E[y]^2 cancels.
 * Were each sum off by 2^-22 of itself (an estimate), var would be by 2^-22 (1 + (mean / std)^2). Rounding y to fp16
 * adds 2^-20 / 12 (mean / std)^2 to it, a third of that, and to bf16 64 times as much. fp32 has no such rounding to
 * hide behind: it keeps the shift. */
#include "base/status.h"
#include "engine/cuda/convolution.h"

#include <math.h>
#include <stdio.h>

enum { CHANNELS_STEP = 8 }; /* cuDNN's tensor cores want it; the two sums are then aligned to 16 bytes */

/** BN's own pass, to be measured. */
typedef struct sums_trial {
    const cuda_device *device;
    tensor_shape shape;
    void *values, *mean, *part;
} sums_trial;

static int queue_sums(void *what) {
    const sums_trial *t = what;
    return cuda_bn_queue_sums(t->device, t->shape, t->values, t->mean, t->part);
}

static int measure_sums(double *microseconds, cuda_device *d, const convolution_shape *s) {
    size_t values = tensor_count(s->y) * element_bytes(s->type), mean = (size_t)s->y.c * sizeof(float),
           part = cuda_bn_part_bytes(s->y);
    sums_trial t = {.device = d, .shape = s->y};
    int rc = OK;
    TRY(gpu_allocate(&t.values, d, values));
    TRY(gpu_allocate(&t.mean, d, mean));
    TRY(gpu_allocate(&t.part, d, part));
    TRY(gpu_time(microseconds, d, queue_sums, &t));
done:
    gpu_release(d, t.values, values);
    gpu_release(d, t.mean, mean);
    gpu_release(d, t.part, part);
    return rc;
}

/** Of BN's own pass: noted or measured; infinite where memory is short. */
static int sums_microseconds(double *out, cuda_device *d, const convolution_shape *s) {
    choice one = {.candidate = 0};
    int rc = OK;
    convolution_key(one.key, d, s, "sums", ELEMENT_F32);
    const choice *known = choices_find(&d->choices, one.key);
    if (known != NULL) {
        *out = known->microseconds;
        return OK;
    }
    *out = INFINITY;
    rc = measure_sums(&one.microseconds, d, s);
    if (rc != OK)
        return rc == E_NOMEM ? OK : rc;
    *out = one.microseconds;
    return choices_add(&d->choices, &one);
}

int statistics_find(convolution **out, cuda_device *d, const convolution_shape *s, const convolution *forward) {
    convolution *fused = NULL;
    double own = INFINITY;
    int rc = OK;
    *out = NULL;
    if (s->type == ELEMENT_F32 || s->y.c % CHANNELS_STEP != 0 || isinf(convolution_microseconds(forward)))
        return OK;
    rc = convolution_find(&fused, d, s, CONVOLUTION_STATISTICS);
    if (rc != OK)
        return rc == E_NOMEM ? rc : OK; /* cuDNN, this GPU or this shape has none */
    if (isinf(convolution_microseconds(fused)))
        return OK;
    TRY(sums_microseconds(&own, d, s));
    if (convolution_microseconds(fused) < convolution_microseconds(forward) + own && !isinf(own))
        *out = fused;
done:
    return rc;
}
