/* A convolution that computes its input itself, in forward and in wgrad: x = relu(BN's x * scale + shift). The BN then
 * computes only its statistics and the factors. Its y is never written, never kept for backward and never read again.
 * Fusing forward alone would save nothing: wgrad needs y, and computing it then costs what forward saved.
 *
 * Numerics: cuDNN requires scale and shift in the type of x. Rounding them changes y by up to 2^-11
 * (|x * scale| + |shift|) in fp16, 2^-8 of that sum in bf16. The rounding of x already changed y by up to 2^-11 |x *
 * scale| in fp16. If the mean is many standard deviations from 0, the two errors are similar; otherwise both are
 * small. A shift beyond the fp16 range (65,504: a mean of that many standard deviations, times gamma) is infinite.
 * BN's backward uses the rounded factors for the ReLU mask, so the mask is the same as in forward. fp32 uses BN's own
 * pass. */
#include "backend/cuda/cudnn_conv.h"
#include "base/status.h"

#include <math.h>

int wgrad_find(convolution **out, element *dw, cuda_device *d, const convolution_shape *s, convolution_pass pass) {
    convolution_shape exact = *s, rounded = *s;
    exact.dw = *dw = ELEMENT_F32;
    rounded.dw = d->type;
    if (convolution_find(out, d, &exact, pass) == OK)
        return OK;
    *dw = d->type;
    return convolution_find(out, d, &rounded, pass);
}

/** Forward, with the sums if they are wanted. *out has no forward if cuDNN has none. */
static int forward_find(convolution_pair *out, cuda_device *d, const convolution_shape *s, bool sums_wanted) {
    int rc = convolution_find(&out->forward, d, s, CONVOLUTION_SCALED_FORWARD);
    if (rc == E_NOMEM)
        return rc;
    if (rc != OK)
        out->forward = NULL;
    if (sums_wanted)
        return fused_conv_bn_stats_find(&out->forward, &out->sums, &out->microseconds, d, s, out->forward,
                                        CONVOLUTION_SCALED_STATISTICS);
    out->microseconds = out->forward != NULL ? convolution_microseconds(out->forward) : INFINITY;
    return OK;
}

int fused_bn_relu_conv_find(convolution_pair *out, cuda_device *d, const convolution_shape *s, bool sums_wanted,
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
    rc = wgrad_find(&together.weights, &together.dw, d, s, CONVOLUTION_SCALED_WEIGHTS);
    if (rc != OK)
        return rc == E_NOMEM ? rc : OK;
    together.microseconds += convolution_microseconds(together.weights);
    TRY(bn_pass_microseconds(&own, d, s, "apply", KERNEL_bn_apply, s->x));
    if (!isinf(own) && together.microseconds < apart->microseconds + own)
        *out = together;
done:
    return rc;
}
