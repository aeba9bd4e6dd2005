/* A dgrad that also applies the ReLU mask of the preceding BN and outputs the sums that this BN's backward needs. This
 * saves a pass over the gradient, and no mask is kept.
 *
 * Numerics: cuDNN computes BN's y again in fp32 from the statistics to obtain the ReLU mask, and adds in fp32 (the
 * order is not documented). If forward used the rounded factors of fused_bn_relu_conv.c, elements of y that are within
 * the rounding error of 0 may have a different mask: as many as the rounding of BN's x affects. fp32 uses BN's own
 * pass. */
#include "backend/cuda/cudnn_conv.h"
#include "base/status.h"

#include <math.h>

int fused_dgrad_bn_bwd_find(convolution **out, cuda_device *d, const convolution_shape *s, const convolution *data) {
    convolution *fused = NULL;
    double own = INFINITY;
    int rc = OK;
    *out = NULL;
    if (s->type == ELEMENT_F32 || s->x.c % FUSED_CHANNELS != 0 || isinf(convolution_microseconds(data)))
        return OK;
    rc = convolution_find(&fused, d, s, CONVOLUTION_DATA_SUMS);
    if (rc != OK)
        return rc == E_NOMEM ? rc : OK; /* not supported by cuDNN for this GPU or shape */
    if (isinf(convolution_microseconds(fused)))
        return OK;
    TRY(bn_pass_microseconds(&own, d, s, "gradient", KERNEL_bn_gradient_sums, s->x));
    if (!isinf(own) && convolution_microseconds(fused) < convolution_microseconds(data) + own)
        *out = fused;
done:
    return rc;
}
