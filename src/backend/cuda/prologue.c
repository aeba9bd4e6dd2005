/* A convolution that makes its input itself: x = relu(BN's x * scale + shift), in forward and in the weights' gradient.
 * BN then keeps its sums and hands on the factors: its y is never written, nor kept for backward, nor read twice.
 * Forward alone would save nothing: backward needs y for the weights, and making it then costs what it has saved.
 *
 * Numbers: cuDNN wants scale and shift in x's type. Rounding them moves y by up to 2^-11 (|x * scale| + |shift|) in
 * fp16, 2^-8 in bf16, and rounding x has moved it by up to 2^-11 |x * scale| before: where the mean is many deviations
 * from 0 the two are alike, else both small. A shift beyond fp16 (65,504: a mean of as many deviations, times gamma) is
 * infinite. BN's backward takes the rounded factors for ReLU's mask, so that it opens where forward did. fp32 keeps its
 * own pass.
 */
#include "backend/cuda/convolution.h"
#include "base/status.h"

#include <math.h>

int weights_find(convolution **out, element *dw, cuda_device *d, const convolution_shape *s, convolution_pass pass) {
    convolution_shape exact = *s, rounded = *s;
    exact.dw = *dw = ELEMENT_F32;
    rounded.dw = d->type;
    if (convolution_find(out, d, &exact, pass) == OK)
        return OK;
    *dw = d->type;
    return convolution_find(out, d, &rounded, pass);
}

/** Forward, with the sums where they are wanted; *out is NULL where cuDNN has none. */
static int forward_find(convolution_pair *out, cuda_device *d, const convolution_shape *s, bool sums_wanted) {
    int rc = convolution_find(&out->forward, d, s, CONVOLUTION_SCALED_FORWARD);
    if (rc == E_NOMEM)
        return rc;
    if (rc != OK)
        out->forward = NULL;
    if (sums_wanted)
        return statistics_find(&out->forward, &out->sums, &out->microseconds, d, s, out->forward,
                               CONVOLUTION_SCALED_STATISTICS);
    out->microseconds = out->forward != NULL ? convolution_microseconds(out->forward) : INFINITY;
    return OK;
}

int prologue_find(convolution_pair *out, cuda_device *d, const convolution_shape *s, bool sums_wanted,
                  const convolution_pair *apart) {
    convolution_pair together = {.microseconds = INFINITY};
    double own = INFINITY;
    int rc = OK;
    *out = (convolution_pair){.microseconds = INFINITY};
    if (s->type == ELEMENT_F32 || s->x.c % FUSED_CHANNELS != 0 || isinf(apart->microseconds))
        return OK;
    TRY(forward_find(&together, d, s, sums_wanted));
    if (isinf(together.microseconds))
        return OK;
    rc = weights_find(&together.weights, &together.dw, d, s, CONVOLUTION_SCALED_WEIGHTS);
    if (rc != OK)
        return rc == E_NOMEM ? rc : OK;
    together.microseconds += convolution_microseconds(together.weights);
    TRY(own_pass_microseconds(&own, d, s, "apply", KERNEL_bn_apply, s->x));
    if (!isinf(own) && together.microseconds < apart->microseconds + own)
        *out = together;
done:
    return rc;
}
