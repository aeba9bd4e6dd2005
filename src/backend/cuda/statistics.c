/* A convolution with the sums for the BN behind it in its epilogue (cuDNN's GenStats): y is not read once more for
 * them.
 *
 * Numbers: the sums are of y and y^2 in fp32, without the shift of BN's own pass, so var = E[y^2] - E[y]^2 cancels.
 * Were each sum off by 2^-22 of itself (an estimate), var would be by 2^-22 (1 + (mean / std)^2). Rounding y to fp16
 * adds 2^-20 / 12 (mean / std)^2 to it, a third of that, and to bf16 64 times as much. fp32 has no such rounding to
 * hide behind: it keeps the shift. */
#include "backend/cuda/convolution.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>

/** One of BN's own passes, to be measured. */
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

int own_pass_microseconds(double *out, cuda_device *d, const convolution_shape *s, const char *what, kernel f32,
                          tensor_shape x) {
    choice one = {.candidate = 0};
    pass_trial t = {.device = d, .x = x, .f32 = f32};
    size_t bytes = cuda_bn_pass_bytes(d, x);
    int rc = OK;
    convolution_key(one.key, d, s, what, ELEMENT_F32);
    const choice *known = choices_find(&d->choices, one.key);
    if (known != NULL) {
        *out = known->microseconds;
        return OK;
    }
    *out = INFINITY;
    TRY(gpu_allocate(&t.memory, d, bytes));
    TRY(gpu_time(&one.microseconds, d, queue_pass, &t));
    *out = one.microseconds;
    TRY(choices_add(&d->choices, &one));
done:
    gpu_release(d, t.memory, bytes);
    return rc == E_NOMEM ? OK : rc;
}

int statistics_find(convolution **out, bool *sums, double *microseconds, cuda_device *d, const convolution_shape *s,
                    convolution *plain, convolution_pass pass) {
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
        rc == OK ? convolution_microseconds(fused) : INFINITY; /* cuDNN, this GPU or this shape has none */
    rc = OK;
    if (plain != NULL)
        TRY(own_pass_microseconds(&own, d, s, "sums", KERNEL_bn_sums, s->y));
    *microseconds = alone + own;
    if (!isinf(together) && (plain == NULL || (together < alone + own && !isinf(own)))) {
        *out = fused;
        *sums = true;
        *microseconds = together;
    }
done:
    return rc;
}
